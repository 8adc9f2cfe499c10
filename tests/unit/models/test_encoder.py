from __future__ import annotations

import time

import pytest
import timm
import torch
from timm.layers import DropPath

from advent_dist.config import ModelConfig
from advent_dist.errors import ConfigError
from advent_dist.models.encoder import build_encoder, check_pretrained

SMALL = ("test_resnet", "test_efficientnet", "test_convnext", "test_vit")
IMAGE = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def features_of(encoder):
    with torch.no_grad():
        return encoder.eval()(IMAGE)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext"])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_convolutional_encoders_keep_the_output_stride(name, output_stride) -> None:
    encoder = build_encoder(ModelConfig(encoder=name, output_stride=output_stride))
    middle, last = features_of(encoder)
    assert (middle.shape[1], last.shape[1]) == encoder.channels
    assert last.shape[2:] == (64 // output_stride, 96 // output_stride)
    assert middle.shape[2:] == (64 // min(16, output_stride), 96 // min(16, output_stride))


def test_an_encoder_that_cannot_be_dilated_keeps_its_own_stride() -> None:
    encoder = build_encoder(ModelConfig(encoder="densenet121", output_stride=8))
    assert features_of(encoder)[1].shape[2:] == (2, 3)


def test_features_of_swin_come_channels_first() -> None:
    encoder = build_encoder(ModelConfig(encoder="swin_tiny_patch4_window7_224"))
    middle, last = features_of(encoder)
    assert encoder.channels == (384, 768)
    assert middle.shape == (1, 384, 4, 6)
    assert last.shape == (1, 768, 2, 3)


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        ("test_vit", 16),
        ("vit_small_patch14_reg4_dinov2", 14),
        ("vit_small_patch16_dinov3", 16),
        ("eva02_tiny_patch14_224", 14),
    ],
)
def test_transformers_tile_any_image_with_patches(name, patch) -> None:
    encoder = build_encoder(ModelConfig(encoder=name))
    assert encoder.patch == (patch, patch)
    for height, width in ((64, 96), (61, 100), (5, 40)):
        with torch.no_grad():
            features = encoder.eval()(torch.randn(1, 3, height, width))
        grid = (max(1, int(height / patch + 0.5)), max(1, int(width / patch + 0.5)))
        assert all(feature.shape[2:] == grid for feature in features)


def test_transformer_features_are_the_normalised_ones_of_two_blocks() -> None:
    torch.manual_seed(0)
    encoder = build_encoder(ModelConfig(encoder="test_vit"))
    full = timm.create_model("test_vit", dynamic_img_size=True).eval()
    assert not full.load_state_dict(encoder.body.state_dict(), strict=False).unexpected_keys
    depth = len(full.blocks)
    with torch.no_grad():
        tokens = full.forward_features(IMAGE)[:, full.num_prefix_tokens :]
        middle = full.forward_intermediates(IMAGE, indices=[2 * depth // 3 - 1], norm=True)[1][0]
    ours = features_of(encoder)
    torch.testing.assert_close(ours[1].flatten(2).transpose(1, 2), tokens)
    torch.testing.assert_close(ours[0], middle)


@pytest.mark.parametrize("name", [*SMALL, "eva02_tiny_patch14_224"])
def test_every_parameter_gets_a_gradient(name) -> None:
    encoder = build_encoder(ModelConfig(encoder=name)).train()
    sum(feature.square().mean() for feature in encoder(IMAGE)).backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_vit", "pvt_v2_b0"])
def test_the_deeper_a_branch_the_more_often_it_is_left_out(name) -> None:
    body = build_encoder(ModelConfig(encoder=name, drop_path=0.3)).body
    shares = [one.drop_prob for one in body.modules() if isinstance(one, DropPath)]
    assert max(shares) == pytest.approx(0.3)
    assert shares == sorted(shares)


def test_by_default_an_encoder_keeps_its_own_stochastic_depth() -> None:
    for name, expected in (("mit_b0", 0.1), ("pvt_v2_b0", 0.0)):
        body = build_encoder(ModelConfig(encoder=name)).body
        shares = [one.drop_prob for one in body.modules() if isinstance(one, DropPath)]
        assert max(shares, default=0.0) == pytest.approx(expected), name


def test_no_branches_to_leave_out() -> None:
    with pytest.raises(ConfigError, match=r"model\.drop_path = 0\.1: densenet121 has no branches"):
        build_encoder(ModelConfig(encoder="densenet121", drop_path=0.1))
    with pytest.raises(ConfigError, match=r"model\.drop_path = 0\.1: the paper's network"):
        ModelConfig(drop_path=0.1)
    with pytest.raises(ConfigError, match=r"model\.drop_path = 1: give a share"):
        ModelConfig(encoder="test_vit", drop_path=1)


def test_knows_the_statistics_of_its_pretraining() -> None:
    encoder = build_encoder(ModelConfig(encoder="tf_efficientnet_lite0"))
    assert (encoder.mean, encoder.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    encoder = build_encoder(ModelConfig(encoder="resnet18"))
    assert encoder.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("resnt50", "resnet50"), ("resnet18.tv_in1", "resnet18.tv_in1k"), ("?", "list_models")],
)
def test_an_unknown_name_is_refused_with_a_hint(name, hint) -> None:
    with pytest.raises(ConfigError, match=rf"model\.encoder = .*{hint}"):
        build_encoder(ModelConfig(encoder=name))


def test_an_encoder_of_one_image_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="image size"):
        build_encoder(ModelConfig(encoder="xcit_nano_12_p16_224"))


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_pretrained_weights_that_cannot_be_had(monkeypatch, name) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nowhere")
    with pytest.raises(ConfigError, match=r"model\.pretrained = True.*model\.weights"):
        build_encoder(ModelConfig(encoder=name, pretrained=True))


def test_pretrained_weights_are_looked_for_before(monkeypatch) -> None:
    with pytest.raises(ConfigError, match=r"model\.pretrained = True.*none are known"):
        check_pretrained("botnet50ts_256")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nowhere")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", "http://127.0.0.1:1")
    start = time.monotonic()
    with pytest.raises(ConfigError, match=r"model\.pretrained = True.*model\.weights"):
        check_pretrained("resnet18")
    assert time.monotonic() - start < 10
