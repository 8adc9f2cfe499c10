from __future__ import annotations

import pytest
import torch

from advent_dist.config import ModelConfig
from advent_dist.errors import ConfigError
from advent_dist.models.hrda import draw_window, fuse, places
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.models.sliding import Window
from advent_dist.models.weights import load_weights


def _hrda(encoder: str = "test_resnet", decoder: str = "fpn", **changes) -> Segmenter:
    torch.manual_seed(0)
    config = ModelConfig(
        encoder=encoder, decoder=decoder, multi_level=False, detail_crop=(32, 32), **changes
    )
    return build_segmenter(config, num_classes=5)


def _images(*size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        *(("test_resnet", decoder) for decoder in ("deeplab", "linear", "fpn", "daformer")),
        ("test_vit", "upscaling"),
        ("test_convnext", "daformer"),
    ],
)
def test_any_decoder_looks_twice(encoder: str, decoder: str) -> None:
    segmenter = _hrda(encoder, decoder)
    output = segmenter.train()(_images(64, 96), None, True)
    assert output.main.shape == (2, 5, 64, 96)
    assert output.aux is None
    logits, window = output.detail
    assert logits.shape == (2, 5, 32, 32)
    assert (window.height, window.width) == (32, 32)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        output = segmenter.eval()(_images(64, 96))
    assert output.detail is None
    assert output.main.dtype == torch.float32
    assert output.main.shape == (2, 5, 64, 96)


def test_the_features_are_those_of_the_context() -> None:
    segmenter = _hrda().eval()
    images = _images(64, 96)
    with torch.no_grad():
        features = segmenter(images, None, True).features
        own = segmenter.network.encode(segmenter.normalise(images))[-1]
    assert torch.equal(features, own)
    assert features.shape[2:] == (1, 2)  # 32 pixels of 32x48


def test_in_training_what_lies_outside_of_the_window_is_seen_in_the_context_alone() -> None:
    segmenter = _hrda().train()
    torch.manual_seed(1)
    output = segmenter(_images(64, 96))
    window = output.detail.window
    torch.manual_seed(1)
    images = _images(64, 96)
    outside = torch.ones(64, 96)
    window.of(outside).zero_()
    # The same means of four pixels, so that the context stays the same.
    flipped = images.unflatten(2, (-1, 2)).flip(3).flatten(2, 3)
    other = torch.where(outside.bool(), flipped, images)
    changed = segmenter(other)
    assert changed.detail.window == window
    torch.testing.assert_close(changed.main, output.main)
    torch.testing.assert_close(changed.detail.logits, output.detail.logits)
    inside = torch.where(outside.bool(), images, flipped)
    torch.manual_seed(1)
    assert not torch.allclose(segmenter(inside).main, output.main)


def test_windows_are_drawn_on_the_grid_and_from_the_ranks_own_state() -> None:
    torch.manual_seed(0)
    drawn = [draw_window((64, 96), (48, 32)) for _ in range(200)]
    assert {one.top for one in drawn} == {0, 8, 16, 24}  # the last place, 32, never
    assert {one.left for one in drawn} == set(range(0, 48, 8))
    torch.manual_seed(0)
    assert [draw_window((64, 96), (48, 32)) for _ in range(200)] == drawn


@pytest.mark.parametrize(("side", "window", "number"), [(64, 64, 1), (72, 64, 1), (79, 64, 2)])
def test_there_is_always_a_place(side: int, window: int, number: int) -> None:
    assert places(side, window) == number


def test_a_window_is_no_larger_than_the_image() -> None:
    assert draw_window((32, 40), (64, 64)) == Window(0, 0, 32, 40)


def test_attention_chooses_between_context_and_detail() -> None:
    context, detail = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 6, 8)
    assert torch.equal(fuse(context, torch.ones_like(context), detail), detail)
    upsampled = fuse(context, torch.zeros_like(context), detail)
    torch.testing.assert_close(upsampled.mean(), context.mean())


def test_sides_that_do_not_fit() -> None:
    for mode in (True, False):
        with pytest.raises(ConfigError, match=r"images of 96x60: .*multiples of 8"):
            _hrda().train(mode)(_images(60, 96))


def test_initial_weights_are_the_encoders(tmp_path) -> None:
    one, other = _hrda(), _hrda()
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.add_(1)
    torch.save(one.network.single.encoder.body.state_dict(), tmp_path / "encoder.pth")
    load_weights(other, str(tmp_path / "encoder.pth"))
    for (name, ours), (_, theirs) in zip(
        other.network.named_parameters(), one.network.named_parameters(), strict=True
    ):
        assert ours.equal(theirs) == name.startswith("single.encoder"), name


def test_both_heads_learn_at_their_own_rate_and_blocks_are_the_encoders() -> None:
    segmenter = _hrda(trained_blocks=0)
    groups = segmenter.parameter_groups()
    assert groups["encoder"] == []
    attention = {id(p) for p in segmenter.network.scale_attention.parameters()}
    assert attention < {id(p) for p in groups["heads"]}
