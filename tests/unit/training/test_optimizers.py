from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from advent_dist.config import ModelConfig, OptimizerConfig
from advent_dist.errors import ConfigError
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.training.optimizers import discriminator_optimizer, segmenter_optimizer
from advent_dist.training.repeated_sgd import RepeatedSGD


@pytest.fixture(scope="module")
def small() -> Segmenter:
    return build_segmenter(ModelConfig(encoder="test_resnet"), 11)


@pytest.fixture(scope="module")
def published() -> Segmenter:
    return build_segmenter(ModelConfig(), 19)


def _sizes(optimizer: torch.optim.Optimizer) -> list[int]:
    return [sum(p.numel() for p in group["params"]) for group in optimizer.param_groups]


def _covers(optimizer: torch.optim.Optimizer, module: nn.Module) -> bool:
    ids = [id(p) for group in optimizer.param_groups for p in group["params"]]
    trained = {id(p) for p in module.parameters() if p.requires_grad}
    return len(ids) == len(trained) and set(ids) == trained


def test_sgd_of_the_paper(small: Segmenter) -> None:
    optimizer = segmenter_optimizer(small, OptimizerConfig())
    assert type(optimizer) is torch.optim.SGD
    encoder, heads = optimizer.param_groups
    assert (encoder["lr"], heads["lr"]) == pytest.approx((2.5e-4, 2.5e-3))
    for group in (encoder, heads):
        assert (group["momentum"], group["weight_decay"]) == (0.9, 5e-4)
        assert not group["nesterov"]
    assert _covers(optimizer, small)
    assert _sizes(optimizer)[1] == sum(
        p.numel() for head in small.network.heads for p in head.parameters()
    )


def test_adamw(small: Segmenter) -> None:
    config = OptimizerConfig(segmenter="adamw", segmenter_lr=1e-3, weight_decay=0.01)
    optimizer = segmenter_optimizer(small, config)
    assert type(optimizer) is torch.optim.AdamW
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-3, 1e-2])
    assert all(group["weight_decay"] == 0.01 for group in optimizer.param_groups)
    assert _covers(optimizer, small)


def _norms_and_positions(encoder: str) -> tuple[Segmenter, torch.optim.Optimizer, set[str]]:
    segmenter = build_segmenter(ModelConfig(encoder=encoder, decoder="daformer"), 11)
    config = OptimizerConfig(segmenter="adamw", weight_decay=0.01, decay_norms=False)
    optimizer = segmenter_optimizer(segmenter, config)
    decays = [group["weight_decay"] for group in optimizer.param_groups]
    assert decays == [0.01, 0.0, 0.01]
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == pytest.approx([2.5e-4, 2.5e-4, 2.5e-3])
    assert _covers(optimizer, segmenter)
    names = {id(p): name for name, p in segmenter.named_parameters()}
    return segmenter, optimizer, {names[id(p)] for p in optimizer.param_groups[1]["params"]}


def test_the_norms_of_a_cnn_without_decay() -> None:
    segmenter, _, free = _norms_and_positions("test_resnet")
    # Its convolutions have no bias.
    encoder = {n: p for n, p in segmenter.named_parameters() if "encoder" in n}
    assert free == {name for name, parameter in encoder.items() if parameter.ndim == 1}


def test_the_norms_and_positions_of_a_transformer_without_decay() -> None:
    _, _, free = _norms_and_positions("test_vit")
    assert all("norm" in name or "pos_embed" in name for name in free)
    assert any("pos_embed" in name for name in free)
    assert any("norm" in name for name in free)


def test_deeper_blocks_learn_faster() -> None:
    segmenter = build_segmenter(ModelConfig(encoder="test_vit", decoder="upscaling"), 11)
    config = OptimizerConfig(segmenter="adamw", layer_decay=0.9, weight_decay=0.01)
    optimizer = segmenter_optimizer(segmenter, config)
    rates = [group["lr"] for group in optimizer.param_groups]
    # Six blocks from the deepest on, what comes before them, and the heads.
    assert rates == pytest.approx([2.5e-4 * 0.9**n for n in range(7)] + [2.5e-3])
    assert _covers(optimizer, segmenter)
    with pytest.raises(ConfigError, match=r"optimizer\.layer_decay = 0\.9: leave it 1"):
        OptimizerConfig(layer_decay=0.9, published_repeats=True)


def test_a_frozen_encoder_is_in_no_optimiser() -> None:
    config = ModelConfig(encoder="test_vit", decoder="linear", trained_blocks=0, multi_level=False)
    segmenter = build_segmenter(config, 11)
    (heads,) = segmenter_optimizer(segmenter, OptimizerConfig()).param_groups
    assert {id(p) for p in heads["params"]} == {
        id(p) for p in segmenter.network.heads[0].parameters()
    }


def test_published_repeats(published: Segmenter) -> None:
    optimizer = segmenter_optimizer(published, OptimizerConfig(published_repeats=True))
    assert isinstance(optimizer, RepeatedSGD)
    repeats = {group["repeats"]: group["lr"] for group in optimizer.param_groups[:-1]}
    heads = optimizer.param_groups[-1]
    assert set(repeats) >= {3, 4}
    assert set(repeats.values()) == {2.5e-4}
    assert (heads["repeats"], heads["lr"]) == (1, pytest.approx(2.5e-3))
    assert _covers(optimizer, published)


@pytest.mark.parametrize("changes", [{}, {"segmenter": "adamw"}])
def test_published_repeats_of_another_network(small: Segmenter, changes: dict[str, Any]) -> None:
    config = OptimizerConfig(published_repeats=True, **changes)
    with pytest.raises(ConfigError, match=r"optimizer.published_repeats = True.*set it to False"):
        segmenter_optimizer(small, config)


def test_published_repeats_of_another_optimiser(published: Segmenter) -> None:
    config = OptimizerConfig(published_repeats=True, segmenter="adamw")
    with pytest.raises(ConfigError, match=r"optimizer.segmenter = sgd"):
        segmenter_optimizer(published, config)


def test_the_discriminators_adam() -> None:
    optimizer = discriminator_optimizer(nn.Linear(2, 1).parameters(), OptimizerConfig())
    assert type(optimizer) is torch.optim.Adam
    (group,) = optimizer.param_groups
    assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-4, (0.9, 0.99), 0)
