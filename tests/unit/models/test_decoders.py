from __future__ import annotations

import pytest
import torch

from advent_dist.config import ModelConfig
from advent_dist.errors import ConfigError
from advent_dist.models.decoders import DECODERS
from advent_dist.models.segmenter import build_segmenter

ENCODERS = ("test_resnet", "test_convnext", "test_vit", "swin_tiny_patch4_window7_224")


def segmenter_of(encoder, decoder, **changes):
    return build_segmenter(ModelConfig(encoder=encoder, decoder=decoder, **changes), num_classes=5)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("size", [(64, 96), (61, 83)])
def test_every_decoder_reads_every_kind_of_encoder(encoder, decoder, size) -> None:
    with torch.device("meta"):
        output = segmenter_of(encoder, decoder)(torch.empty(2, 3, *size, dtype=torch.uint8))
    assert output.main.shape == output.aux.shape == (2, 5, *size)


@pytest.mark.parametrize(
    ("decoder", "finest"),
    [
        ("deeplab", 8),
        ("linear", 8),
        ("upscaling", 2),
        ("fpn", 4),
        ("daformer", 4),
        ("segformer", 4),
        ("segformer_mmseg", 4),
    ],
)
def test_pixels_of_the_image_for_one_of_the_logits(decoder, finest) -> None:
    with torch.device("meta"):
        segmenter = segmenter_of("test_resnet", decoder)
        coarse = segmenter.coarse(torch.empty(2, 3, 64, 96, dtype=torch.uint8))
    assert coarse.values.shape[2:] == (64 // finest, 96 // finest)
    assert coarse.align_corners == (decoder in ("deeplab", "linear"))


def test_a_transformer_gives_its_decoder_each_quarter_of_its_blocks() -> None:
    with torch.device("meta"):
        encoder = segmenter_of("vit_small_patch16_dinov3", "daformer").network.encoder
        features = encoder(torch.empty(1, 3, 64, 96))
    assert [tuple(level.shape) for level in features] == [(1, 384, 4, 6)] * 4
    assert encoder.body.forward.keywords["indices"] == [2, 5, 8, 11]


@pytest.mark.parametrize("decoder", DECODERS)
def test_all_of_a_decoder_learns_at_the_rate_of_heads(decoder) -> None:
    segmenter = segmenter_of("test_resnet", decoder, multi_level=False)
    image = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    segmenter(image).main.square().mean().backward()
    heads = segmenter.parameter_groups()["heads"]
    assert {id(p) for p in heads} == {id(p) for p in segmenter.network.main_head.parameters()}
    assert all(parameter.grad is not None for parameter in segmenter.parameters())


def test_the_width_of_a_decoder() -> None:
    with torch.device("meta"):
        narrow, own = (segmenter_of("test_resnet", "fpn", decoder_width=w) for w in (16, None))
    assert narrow.network.main_head.out.in_channels == 16
    assert own.network.main_head.out.in_channels == 128


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder": "fpn"}, "model.decoder = 'fpn': the paper's network has a head of its own"),
        ({"encoder": "resnet18", "decoder_width": 8}, "model.decoder_width = 8: deeplab has none"),
        ({"encoder": "resnet18", "decoder": "fpn", "decoder_width": 0}, "must be at least 1"),
    ],
)
def test_decoders_that_cannot_be(changes, message) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig(**changes)
