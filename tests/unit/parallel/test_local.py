from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advent_dist.config import EngineConfig
from advent_dist.parallel.engine import constant
from advent_dist.parallel.local import LocalEngine
from advent_dist.parallel.world import World


def _engine(**config: Any) -> LocalEngine:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    groups = [
        {"params": module[0].parameters(), "lr": 0.1},
        {"params": module[2].parameters(), "lr": 1.0},
    ]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    return LocalEngine(module, optimizer, EngineConfig(kind="local", **config), World())


def _inputs(seed: int, count: int = 6) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


def _train(engine: LocalEngine, batches: list[Tensor]) -> list[Tensor]:
    for batch in batches:
        engine.backward(engine(batch).square().mean())
        engine.step()
    return [parameter.detach().clone() for parameter in engine.module.parameters()]


def test_accumulation_equals_one_big_batch() -> None:
    whole = _train(_engine(), [_inputs(0), _inputs(1)])
    parts = [*_inputs(0).chunk(3), *_inputs(1).chunk(3)]
    accumulated = _train(_engine(gradient_accumulation_steps=3), parts)
    for one, other in zip(whole, accumulated, strict=True):
        torch.testing.assert_close(one, other)


def test_nothing_moves_before_the_window_is_full() -> None:
    engine = _engine(gradient_accumulation_steps=3)
    start = [parameter.detach().clone() for parameter in engine.module.parameters()]
    early = _train(engine, list(_inputs(0).chunk(3))[:2])
    assert all(torch.equal(one, other) for one, other in zip(start, early, strict=True))


def test_gradients_do_not_outlive_their_step() -> None:
    engine = _engine()
    _train(engine, [_inputs(0)])
    assert all(parameter.grad is None for parameter in engine.module.parameters())


def test_clipping_bounds_the_whole_gradient() -> None:
    """Plain SGD's first step is lr times the gradient."""
    engine = _engine(gradient_clipping=0.01)
    engine.set_lr_factor(1.0)
    before = [parameter.detach().clone() for parameter in engine.module.parameters()]
    after = _train(engine, [_inputs(0)])
    lrs = [0.1, 0.1, 1.0, 1.0]
    squares = [
        ((one - other) / lr).square().sum()
        for one, other, lr in zip(before, after, lrs, strict=True)
    ]
    assert torch.stack(squares).sum().sqrt().item() == pytest.approx(0.01, rel=1e-3)


def test_the_factor_is_of_the_initial_rates() -> None:
    engine = _engine()
    assert engine.learning_rates == [0.1, 1.0]
    engine.set_lr_factor(0.5)
    engine.set_lr_factor(0.25)
    assert engine.learning_rates == [0.025, 0.25]
    engine.set_lr_factor(1.0)
    assert engine.learning_rates == [0.1, 1.0]


def test_frozen_gives_gradients_to_the_input_only() -> None:
    engine = _engine()
    inputs = _inputs(0).requires_grad_()
    with engine.frozen() as module:
        module(inputs).sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in engine.module.parameters())
    assert all(parameter.requires_grad for parameter in engine.module.parameters())


def test_frozen_ends_after_an_error_too() -> None:
    engine = _engine()
    with pytest.raises(ZeroDivisionError), engine.frozen():
        raise ZeroDivisionError
    assert all(parameter.requires_grad for parameter in engine.module.parameters())


def test_what_was_constant_stays_so() -> None:
    module = nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    with constant(module):
        assert not module.weight.requires_grad
    assert module.weight.requires_grad
    assert not module.bias.requires_grad


def test_bf16_computes_in_bf16_and_keeps_fp32_parameters() -> None:
    engine, full = _engine(precision="bf16"), _engine()
    output = engine(_inputs(0))
    assert output.dtype == torch.bfloat16
    assert not torch.equal(output.float(), full(_inputs(0)))
    with engine.frozen() as module:
        assert module(_inputs(0)).dtype == torch.bfloat16
    assert all(value.dtype == torch.float32 for value in _train(engine, [_inputs(0)]))


def test_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    whole = _train(_engine(), [_inputs(step) for step in range(4)])
    first, second = _engine(), _engine()
    _train(first, [_inputs(0), _inputs(1)])
    first.save(tmp_path / "engine")
    second.load(list((tmp_path / "engine").iterdir()))
    rest = _train(second, [_inputs(2), _inputs(3)])
    assert all(torch.equal(one, other) for one, other in zip(whole, rest, strict=True))


def test_weights_are_a_state_dict() -> None:
    engine = _engine()
    weights = engine.weights()
    other = copy.deepcopy(engine.module)
    nn.init.zeros_(other[0].weight)
    other.load_state_dict(weights)
    assert torch.equal(other[0].weight, engine.module[0].weight)
    assert not any(value.requires_grad for value in weights.values())
