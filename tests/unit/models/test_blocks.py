"""Which parameters lie how deep, and what of an encoder is trained."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from advent_dist.config import ModelConfig
from advent_dist.errors import ConfigError
from advent_dist.models.blocks import blocks_of, layers_of
from advent_dist.models.segmenter import Segmenter, build_segmenter


def _segmenter(encoder: str, **changes: Any) -> Segmenter:
    options: dict[str, Any] = {"decoder": "fpn", "multi_level": False} | changes
    if encoder == "deeplab_v2":
        options["decoder"] = "deeplab"
    return build_segmenter(ModelConfig(encoder=encoder, **options), 5)


def _names(segmenter: Segmenter) -> dict[int, str]:
    return {id(p): name for name, p in segmenter.network.named_parameters()}


@pytest.mark.parametrize("encoder", ["deeplab_v2", "test_vit", "test_resnet", "test_convnext"])
def test_layers_hold_each_parameter_of_the_encoder_once(encoder: str) -> None:
    segmenter = _segmenter(encoder)
    heads = {id(p) for head in segmenter.network.heads for p in head.parameters()}
    layers = layers_of(segmenter.network, segmenter.network.heads)
    ids = [id(p) for layer in layers for p in layer]
    assert len(ids) == len(set(ids))
    assert set(ids) == {id(p) for p in segmenter.network.parameters()} - heads


def test_a_transformers_layers_are_its_stem_and_its_blocks() -> None:
    segmenter = _segmenter("test_vit")
    names = _names(segmenter)
    stem, *layers = layers_of(segmenter.network, segmenter.network.heads)
    before = {names[id(p)].removeprefix("encoder.body.").split(".")[0] for p in stem}
    assert before == {"cls_token", "pos_embed", "patch_embed"}
    assert len(layers) == len(blocks_of(segmenter.network.encoder)) == 6
    for number, layer in enumerate(layers):
        inside = [names[id(p)] for p in layer if f"blocks.{number}." in names[id(p)]]
        beside = [names[id(p)] for p in layer if f"blocks.{number}." not in names[id(p)]]
        assert inside
        assert beside == (["encoder.body.norm.weight", "encoder.body.norm.bias"] * (number == 5))


def test_a_downsampling_belongs_to_the_block_after_it() -> None:
    segmenter = _segmenter("test_convnext")
    names = _names(segmenter)
    for layer in layers_of(segmenter.network, segmenter.network.heads)[1:]:
        stages = {names[id(p)].split("stages_")[1][0] for p in layer if "stages_" in names[id(p)]}
        assert len(stages) == 1


@pytest.mark.parametrize("encoder", ["deeplab_v2", "test_vit", "test_resnet"])
@pytest.mark.parametrize("trained", [0, 2])
def test_only_so_many_blocks_are_trained(encoder: str, trained: int) -> None:
    segmenter = _segmenter(encoder, trained_blocks=trained)
    layers = layers_of(segmenter.network, segmenter.network.heads)
    for number, layer in enumerate(layers):
        is_trained = number >= len(layers) - trained
        # The paper's network never trains its BatchNorm's weights.
        assert any(p.requires_grad for p in layer) == is_trained
    assert all(p.requires_grad for head in segmenter.network.heads for p in head.parameters())


@pytest.mark.parametrize("trained", [0, 1])
def test_what_is_not_trained_stays_to_the_bit(trained: int) -> None:
    segmenter = _segmenter("test_resnet", trained_blocks=trained).train()
    before = copy.deepcopy(segmenter.state_dict())
    optimizer = torch.optim.SGD([p for p in segmenter.parameters() if p.requires_grad], lr=0.1)
    segmenter(torch.rand(2, 3, 64, 64) * 255).main.square().mean().backward()
    optimizer.step()
    changed = {
        name for name, value in segmenter.state_dict().items() if not value.equal(before[name])
    }
    assert changed
    allowed = ("network.main_head.", *(["network.encoder.body.layer4"] * trained))
    assert all(name.startswith(allowed) for name in changed), changed
    assert any("layer4" in name and "running_mean" in name for name in changed) == bool(trained)


def test_batch_norm_stays_as_it_is_and_all_else_is_trained() -> None:
    segmenter = _segmenter("test_resnet", frozen_batch_norm=True)
    for _ in range(2):
        segmenter.eval()
        segmenter.train()  # as around each evaluation
    norms = [m for m in segmenter.network.encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)
    assert not any(p.requires_grad for norm in norms for p in norm.parameters())
    assert any(norm.training for norm in segmenter.network.main_head.modules())
    rest = {id(p) for norm in norms for p in norm.parameters()}
    assert all(p.requires_grad for p in segmenter.parameters() if id(p) not in rest)
    assert not any(
        m.training
        for m in copy.deepcopy(segmenter).train().network.encoder.modules()
        if isinstance(m, nn.BatchNorm2d)
    ), "a copy keeps it so"


def test_more_blocks_than_there_are() -> None:
    with pytest.raises(
        ConfigError, match=r"trained_blocks = 7: test_vit has 6 blocks; give at most"
    ):
        _segmenter("test_vit", trained_blocks=7)
    with pytest.raises(ConfigError, match=r"model\.trained_blocks = -1"):
        ModelConfig(trained_blocks=-1)
