"""Hidden patches of plain transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from advent_dist.config import ModelConfig
from advent_dist.config.override import override
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.experiments import experiment
from advent_dist.models.encoder import Encoder, build_encoder
from advent_dist.models.segmenter import build_segmenter
from advent_dist.models.weights import load_weights
from tests.unit.methods.tiny import batch_of, tiny_method, weights_of

_VITS = {"model__encoder": "test_vit", "model__decoder": "linear", "model__mask_token": True}


def _features(encoder: Encoder, image: torch.Tensor, hidden: torch.Tensor | None) -> torch.Tensor:
    with torch.no_grad():
        if hidden is None:
            return encoder(image)[-1]
        with encoder.hiding(hidden):
            return encoder(image)[-1]


@pytest.mark.parametrize("name", ["test_vit", "vit_small_patch16_dinov3"])
def test_what_is_hidden_is_not_seen_but_its_place(name: str) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(ModelConfig(encoder=name, mask_token=True)).eval()
    image = torch.randn(2, 3, 64, 96)
    hidden = torch.rand(2, *encoder.grid(64, 96)) < 0.5
    assert hidden.shape == (2, 4, 6)
    covered = hidden.repeat_interleave(16, 1).repeat_interleave(16, 2)[:, None]
    other = torch.where(covered, torch.randn_like(image), image)
    seen = _features(encoder, image, hidden)
    torch.testing.assert_close(_features(encoder, other, hidden), seen)
    assert not torch.allclose(_features(encoder, image, None), seen, atol=1e-3)
    assert not torch.allclose(_features(encoder, other, None), _features(encoder, image, None))
    nothing = torch.zeros_like(hidden)
    assert _features(encoder, image, nothing).equal(_features(encoder, image, None))
    with torch.no_grad():
        encoder.mask_token.token.normal_()  # type: ignore[union-attr]
    assert not torch.allclose(_features(encoder, image, hidden), seen, atol=1e-3)


def test_images_that_patches_do_not_tile() -> None:
    encoder = build_encoder(ModelConfig(encoder="vit_small_patch14_dinov2", mask_token=True)).eval()
    assert encoder.grid(61, 100) == (4, 7)
    hidden = torch.ones(1, 4, 7, dtype=torch.bool)
    assert _features(encoder, torch.randn(1, 3, 61, 100), hidden).shape[2:] == (4, 7)


@pytest.mark.parametrize("name", ["test_resnet", "swin_tiny_patch4_window7_224"])
def test_networks_without_tokens_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"mask_token = True: {name} is no plain vision transf"):
        build_encoder(ModelConfig(encoder=name, mask_token=True))


def test_methods_that_hide_nothing_are_refused() -> None:
    base = override(experiment("streets_dacs"), {"model.encoder": "test_vit"})
    with pytest.raises(
        ConfigError, match=r"model\.mask_token = True: dacs hides nothing of images"
    ):
        override(base, {"model.mask_token": True})


def test_the_token_learns_and_the_teacher_follows_it() -> None:
    method = tiny_method("mic_dacs", **_VITS, method__threshold=0.06)
    name = "network.encoder.mask_token.token"
    for step in range(2):
        method.step(batch_of("mic_dacs", step))
    token = weights_of(method)["segmenter"][name]
    teacher = dict(method.kept["teacher"].module.named_parameters())[name]
    assert token.any()
    assert teacher.any()
    assert not teacher.equal(token), "it is the mean of two students"


def test_the_share_of_hidden_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = []
    hiding = Encoder.hiding

    def noted(encoder: Encoder, hidden: torch.Tensor) -> object:
        shares.append(hidden.float().mean())
        return hiding(encoder, hidden)

    monkeypatch.setattr(Encoder, "hiding", noted)
    method = tiny_method("mic_dacs", **_VITS, method__mask_ratio=0.7)
    for step in range(5):
        method.step(batch_of("mic_dacs", step))
    assert torch.stack(shares).mean().item() == pytest.approx(0.7, abs=0.12)


def test_a_token_of_the_pretraining_is_taken(tmp_path: Path) -> None:
    """DINOv2's own files have one, which timm leaves out."""
    config = ModelConfig(encoder="test_vit", decoder="linear", mask_token=True)
    segmenter = build_segmenter(config, 19)
    encoder = segmenter.network.encoder
    stored = dict(encoder.body.state_dict())
    width = encoder.channels[-1]
    save_file(stored | {"mask_token": torch.full((1, width), 0.5)}, tmp_path / "own.safetensors")
    load_weights(segmenter, str(tmp_path / "own.safetensors"))
    assert encoder.mask_token.token.eq(0.5).all()  # type: ignore[union-attr]
    save_file(stored | {"mask_token": torch.zeros(1, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"other\.safetensors: .*token"):
        load_weights(segmenter, str(tmp_path / "other.safetensors"))


def test_a_run_without_a_token_is_taken_and_one_with_it_too(tmp_path: Path) -> None:
    options = {"encoder": "test_vit", "decoder": "linear", "multi_level": False}
    plain, hiding = (
        build_segmenter(ModelConfig(mask_token=token, **options), 19) for token in (False, True)
    )
    for source, target in ((plain, hiding), (hiding, plain)):
        save_file(source.state_dict(), tmp_path / "run.safetensors")
        taken = load_weights(target, str(tmp_path / "run.safetensors"))
        assert not taken.is_whole
        assert taken.parts[1].taken == taken.parts[1].wanted
    assert taken.left_over[0].origin == "encoder.mask_token"
