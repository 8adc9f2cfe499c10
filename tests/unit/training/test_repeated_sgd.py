"""RepeatedSGD is PyTorch's SGD with repeated parameters, as the published code has them."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

from advent_dist.training.repeated_sgd import RepeatedSGD

OPTIONS = {"momentum": 0.9, "weight_decay": 5e-4}


def _parameters() -> list[nn.Parameter]:
    random = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(3, 2, generator=random)) for _ in range(3)]


def _published(parameters: list[nn.Parameter]) -> torch.optim.SGD:
    """The first parameter once, the second three times and the third four times in its group."""
    once, thrice, four_times = parameters
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "duplicate parameters", which is the point
        return torch.optim.SGD(
            [
                {"params": [once], "lr": 0.5},
                {"params": [thrice] * 3 + [four_times] * 4, "lr": 0.1},
            ],
            **OPTIONS,
        )


def _ours(parameters: list[nn.Parameter]) -> RepeatedSGD:
    once, thrice, four_times = parameters
    return RepeatedSGD(
        [
            {"params": [once], "lr": 0.5, "repeats": 1},
            {"params": [thrice], "lr": 0.1, "repeats": 3},
            {"params": [four_times], "lr": 0.1, "repeats": 4},
        ],
        **OPTIONS,
    )


def _run(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], steps: range) -> None:
    for step in steps:
        random = torch.Generator().manual_seed(step)
        for parameter in parameters:
            parameter.grad = torch.randn(3, 2, generator=random)
        optimizer.step()


def test_equals_sgd_with_repeated_parameters() -> None:
    ours, published = _parameters(), _parameters()
    _run(_ours(ours), ours, range(4))
    _run(_published(published), published, range(4))
    for mine, theirs in zip(ours, published, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


def test_once_is_plain_sgd_to_the_bit() -> None:
    ours, plain = _parameters(), _parameters()
    groups = [{"params": ours, "lr": 0.1, "repeats": 1}]
    _run(RepeatedSGD(groups, **OPTIONS), ours, range(3))
    _run(torch.optim.SGD(plain, lr=0.1, **OPTIONS), plain, range(3))
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(ours, plain, strict=True))


def test_repeats_matter() -> None:
    ours, plain = _parameters(), _parameters()
    _run(_ours(ours), ours, range(1))
    _run(torch.optim.SGD(plain, lr=0.1, **OPTIONS), plain, range(1))
    assert not torch.allclose(ours[1], plain[1])


def test_groups_come_back_even_after_an_error() -> None:
    parameters = _parameters()
    optimizer = _ours(parameters)
    parameters[2].grad = torch.ones(3, 2, dtype=torch.float32).to_sparse()
    with pytest.raises(RuntimeError):
        optimizer.step()
    assert [group["repeats"] for group in optimizer.param_groups] == [1, 3, 4]


def test_state_goes_on_where_it_was_saved() -> None:
    whole, parts = _parameters(), _parameters()
    _run(_ours(whole), whole, range(4))
    first = _ours(parts)
    _run(first, parts, range(2))
    second = _ours(parts)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    _run(second, parts, range(2, 4))
    assert all(torch.equal(one, other) for one, other in zip(whole, parts, strict=True))
