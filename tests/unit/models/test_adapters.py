"""LoRA adapters: what they change, what is trained, and which weights fit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from advent_dist.config import LoRAConfig, ModelConfig, OptimizerConfig
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.models.adapters import is_adapter, merge_adapters
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.models.weights import load_weights
from advent_dist.training.optimizers import segmenter_optimizer


def _segmenter(rank: int | None = 4, seed: int = 0, **changes: Any) -> Segmenter:
    torch.manual_seed(seed)
    lora = LoRAConfig(rank=rank, **changes.pop("lora", {}))
    options: dict[str, Any] = {"encoder": "test_vit", "decoder": "linear", "multi_level": False}
    return build_segmenter(ModelConfig(lora=lora, **options | changes), 5)


def _randomise(segmenter: Segmenter) -> None:
    """Adapters that do something."""
    with torch.no_grad():
        for name, parameter in segmenter.named_parameters():
            if is_adapter(name):
                parameter.normal_(std=0.1)


def _logits(segmenter: Segmenter) -> Tensor:
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(7)) * 255
    with torch.no_grad():
        main: Tensor = segmenter.eval()(image).main
    return main


def _file(segmenter: Segmenter, folder: Path, name: str = "a.safetensors") -> str:
    save_file(segmenter.state_dict(), folder / name)
    return str(folder / name)


def test_adapters_change_nothing_at_first_and_then_do(tmp_path: Path) -> None:
    plain, adapted = _segmenter(None), _segmenter(4, seed=1)
    load_weights(adapted, _file(plain, tmp_path))
    assert _logits(adapted).equal(_logits(plain))
    _randomise(adapted)
    assert not torch.allclose(_logits(adapted), _logits(plain), atol=1e-2)


def test_an_adapter_is_a_product_of_two_small_matrices() -> None:
    segmenter = _segmenter(4, lora={"alpha": 6.0})
    _randomise(segmenter)
    layer = segmenter.network.encoder.body.blocks[2].mlp.fc1
    x = torch.rand(3, layer.in_features)
    a, b = layer.lora_A.default.weight, layer.lora_B.default.weight
    assert (a.shape, b.shape) == ((4, layer.in_features), (layer.out_features, 4))
    torch.testing.assert_close(layer(x), layer.base_layer(x) + 6.0 / 4 * x @ a.T @ b.T)


@pytest.mark.parametrize(
    ("encoder", "targets"), [("test_vit", ("qkv", "fc2")), ("test_convnext", ("fc1",))]
)
def test_merged_adapters_are_plain_layers_that_give_the_same(
    encoder: str, targets: tuple[str, ...]
) -> None:
    segmenter = _segmenter(4, encoder=encoder, lora={"targets": targets})
    _randomise(segmenter)
    before = _logits(segmenter)
    merge_adapters(segmenter)
    torch.testing.assert_close(_logits(segmenter), before, rtol=1e-4, atol=1e-4)
    assert segmenter.state_dict().keys() == _segmenter(None, encoder=encoder).state_dict().keys()


def test_adapters_token_and_heads_are_trained_and_nothing_else() -> None:
    segmenter = _segmenter(4, mask_token=True).train()
    trained = {name for name, p in segmenter.named_parameters() if p.requires_grad}
    adapters = {name for name in trained if is_adapter(name)}
    # A and B of four layers in each of six blocks.
    assert len(adapters) == 2 * 4 * 6
    assert all(".blocks." in name for name in adapters), "not the projection of patches"
    assert trained - adapters == {
        "network.encoder.mask_token.token",
        "network.main_head.out.weight",
        "network.main_head.out.bias",
    }


def test_what_is_frozen_beside_adapters_is_as_in_an_evaluation() -> None:
    segmenter = _segmenter(4).train()
    body = segmenter.network.encoder.body
    assert not body.blocks[0].norm1.training
    assert not body.patch_embed.training
    assert body.blocks[0].attn.qkv.training, "adapters may have dropout"


def test_deeper_adapters_learn_faster() -> None:
    segmenter = _segmenter(4)
    config = OptimizerConfig(segmenter="adamw", layer_decay=0.9)
    groups = segmenter_optimizer(segmenter, config).param_groups
    # Six blocks from the deepest on, and the heads.
    rates = [2.5e-4 * 0.9**number for number in range(6)]
    assert [group["lr"] for group in groups] == pytest.approx([*rates, 2.5e-3])
    names = {id(p): name for name, p in segmenter.named_parameters()}
    for number, group in enumerate(groups[:-1]):
        found = [names[id(p)] for p in group["params"]]
        assert len(found) == 8
        assert all(is_adapter(name) and f".blocks.{5 - number}." in name for name in found)


def test_weights_of_an_encoder_alone_go_into_the_frozen_one(tmp_path: Path) -> None:
    plain, adapted = _segmenter(None), _segmenter(4, seed=1)
    body = {f"backbone.{n}": v for n, v in plain.network.encoder.body.state_dict().items()}
    save_file(body, tmp_path / "encoder.safetensors")
    torch.save(body, tmp_path / "encoder.pth")
    for name in ("encoder.safetensors", "encoder.pth"):
        load_weights(adapted, str(tmp_path / name))
        adapted.network.main_head.load_state_dict(plain.network.main_head.state_dict())
        assert _logits(adapted).equal(_logits(plain))


def test_a_segmenter_with_adapters_goes_into_one_that_has_the_same(tmp_path: Path) -> None:
    adapted, other = _segmenter(4), _segmenter(4, seed=1)
    _randomise(adapted)
    weights = _file(adapted, tmp_path)
    load_weights(other, weights)
    assert _logits(other).equal(_logits(adapted))
    for stranger in (_segmenter(None), _segmenter(2), _segmenter(4, lora={"targets": ("qkv",)})):
        with pytest.raises(CheckpointError, match=r"a\.safetensors: it has 24 adapters, .* give r"):
            load_weights(stranger, weights)


def test_layers_that_are_not_there() -> None:
    with pytest.raises(
        ConfigError,
        match=r"targets = \('qkv', 'query'\): no layer in the blocks of test_vit is a linear one "
        r"called query; linear ones are fc1, fc2, proj, qkv$",
    ):
        _segmenter(4, lora={"targets": ("qkv", "query")})
    with pytest.raises(ConfigError, match=r"a linear one called norm1"):
        _segmenter(4, lora={"targets": ("norm1",)})
    with pytest.raises(ConfigError, match=r"a linear one called qkv; linear ones are none$"):
        _segmenter(4, encoder="test_resnet")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)  # as Python has what can't be imported
    _segmenter(None)
    with pytest.raises(ConfigError, match=r"lora\.rank = 4: .* pip install 'advent-dist\[lora\]'"):
        _segmenter(4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rank": 0}, r"model\.lora\.rank = 0: must be at least 1"),
        ({"alpha": 0.0}, r"model\.lora\.alpha = 0\.0"),
        ({"alpha": float("inf")}, r"model\.lora\.alpha = inf"),
        ({"dropout": 1.0}, r"model\.lora\.dropout = 1\.0"),
        ({"targets": ()}, r"model\.lora\.targets = \(\): give names"),
        ({"targets": ("qkv", "")}, r"model\.lora\.targets = "),
    ],
)
def test_values_out_of_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LoRAConfig(**values)


def test_what_adapters_do_not_go_with() -> None:
    lora = LoRAConfig(rank=8)
    with pytest.raises(ConfigError, match=r"trained_blocks = 2: the adapters are trained in place"):
        ModelConfig(encoder="test_vit", trained_blocks=2, lora=lora)
    with pytest.raises(ConfigError, match=r"lora\.rank = 8: the paper's network gets no adapters"):
        ModelConfig(lora=lora)
