"""HRDA and its sliding windows against numbers of the published code."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from advent_dist.config import Sliding
from advent_dist.methods.levels import all_pixels_losses
from advent_dist.models import hrda
from advent_dist.models.decoders.daformer import DAFormerDecoder
from advent_dist.models.decoders.segformer import SegFormerDecoder
from advent_dist.models.hrda import HRDANetwork, places
from advent_dist.models.network import SingleScale
from advent_dist.models.segmenter import Normalise, Segmenter
from advent_dist.models.sliding import Window, averaged, slide, windows_over

FOLDER = Path(__file__).parent / "reference" / "methods"
GOLDEN = {name: torch.from_numpy(value) for name, value in np.load(FOLDER / "hrda.npz").items()}
SLIDE = {name: torch.from_numpy(value) for name, value in np.load(FOLDER / "slide.npz").items()}


def _of_rows_and_columns(images: Tensor) -> SimpleNamespace:
    """The reference's toy network, which knows where in its window a pixel is."""
    rows = torch.arange(images.shape[2]).view(-1, 1).expand(images.shape[2:])
    columns = torch.arange(images.shape[3]).expand(images.shape[2:])
    channels = [
        images[:, 0] + 0.1 * rows,
        2 * images[:, 1] - 0.01 * columns,
        torch.ones_like(images[:, 0]),
    ]
    return SimpleNamespace(main=torch.stack(channels, 1))


def test_sliding_windows() -> None:
    image = SLIDE["image"]
    (height, width), (down, right) = SLIDE["crop"].tolist(), SLIDE["stride"].tolist()
    windows = windows_over((10, 23), (width, height), (right, down))
    starts = [(top, left) for top in SLIDE["y_starts"] for left in SLIDE["x_starts"]]
    assert [(window.top, window.left) for window in windows] == starts
    counts = torch.zeros(10, 23)
    for window in windows:
        window.of(counts).add_(1)
    assert counts.equal(SLIDE["counts"].float())
    found = slide(
        _of_rows_and_columns, image, Sliding(window=(width, height), stride=(right, down))
    )
    torch.testing.assert_close(found.values, SLIDE["output"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.upsample((10, 23)), SLIDE["output"], rtol=1e-6, atol=1e-6)


def test_windows_of_detail() -> None:
    windows = windows_over((64, 96), (48, 32), (24, 16))
    boxes = [(one.top, one.top + one.height, one.left, one.left + one.width) for one in windows]
    assert boxes == [tuple(box) for box in GOLDEN["slide_boxes"].tolist()]
    large = windows_over((1024, 1024), (512, 512), (256, 256))
    boxes = [(one.top, one.top + one.height, one.left, one.left + one.width) for one in large]
    assert boxes == [tuple(box) for box in GOLDEN["slide_boxes_1024_crop512"].tolist()]
    cells = [window.in_cells_of(4) for window in windows]
    mean = averaged(GOLDEN["slide_window_logits"].chunk(len(cells)), cells, (16, 24))
    torch.testing.assert_close(mean, GOLDEN["slide_hr"], rtol=1e-5, atol=1e-6)


def test_boxes_of_training() -> None:
    """The reference draws by NumPy how many grid cells a window lies below and right of."""
    for seed, box in enumerate(GOLDEN["crop_boxes_1024_512_div8_seed0to5"].tolist()):
        np.random.seed(seed)
        top, left = (8 * np.random.randint(places(1024, 512)) for _ in range(2))
        assert [top, top + 512, left, left + 512] == box


def _leaves() -> tuple[Tensor, Tensor, Tensor]:
    names = ("lr_logits", "hr_crop_logits", "attention_logits")
    context, detail, attention = (GOLDEN[name].clone().requires_grad_() for name in names)
    return context, detail, attention


class _AsPublished(SingleScale):
    """Logits that are given; the first call is for the context."""

    align_corners = False

    def __init__(self, *logits: Tensor) -> None:
        super().__init__()
        self.logits = list(logits)

    def encode(self, image: Tensor) -> list[Tensor]:
        return [image]

    def decode(self, features: list[Tensor]) -> tuple[None, Tensor]:
        logits = self.logits.pop(0)
        assert len(logits) == len(features[0])
        assert logits.shape[2] * 4 == features[0].shape[2]
        return None, logits

    @property
    def heads(self) -> list[nn.Module]:
        return []


class _Attention(nn.Module):
    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, _: list[Tensor]) -> Tensor:
        return self.logits


def _hrda(attention: Tensor, *logits: Tensor) -> HRDANetwork:
    network = HRDANetwork(_AsPublished(*logits), SegFormerDecoder((8,), 7, 8), (48, 32))
    network.scale_attention = cast("SegFormerDecoder", _Attention(attention))
    return network


def test_fusion_and_its_losses_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    context, detail, attention = _leaves()
    top, bottom, left, right = GOLDEN["crop_box_y1y2x1x2"].tolist()
    window = Window(top, left, bottom - top, right - left)
    monkeypatch.setattr(hrda, "draw_window", lambda *_: window)
    network = _hrda(attention, context, detail)
    segmenter = Segmenter(network, Normalise((0.0,) * 3, (1.0,) * 3)).train()
    output = segmenter(torch.zeros(2, 3, 64, 96))
    losses = all_pixels_losses("seg", output, GOLDEN["label"], GOLDEN["weight"])
    loss = 0.9 * losses["seg"]
    assert loss.item() == pytest.approx(float(GOLDEN["loss_fused_x09"]), rel=1e-5)
    of_detail = 0.1 * losses["seg_detail"]
    assert of_detail.item() == pytest.approx(float(GOLDEN["loss_detail_x01"]), rel=1e-5)
    (loss + of_detail).backward()
    for leaf, name in ((context, "lr"), (detail, "hr"), (attention, "att")):
        assert float(leaf.grad.norm()) == pytest.approx(
            float(GOLDEN[f"grad_{name}_norm"]), rel=1e-5
        )


def test_fusion_in_training_and_without_a_box(monkeypatch: pytest.MonkeyPatch) -> None:
    context, detail, attention = (leaf.detach() for leaf in _leaves())
    top, bottom, left, right = GOLDEN["crop_box_y1y2x1x2"].tolist()
    window = Window(top, left, bottom - top, right - left)
    monkeypatch.setattr(hrda, "draw_window", lambda *_: window)
    images = torch.zeros(2, 3, 64, 96)
    fused = _hrda(attention, context, detail).train()(images).main
    torch.testing.assert_close(fused, GOLDEN["fused"], rtol=1e-5, atol=1e-5)
    windows = GOLDEN["slide_window_logits"]
    fused = _hrda(attention, context, windows).eval()(images).main
    torch.testing.assert_close(fused, GOLDEN["slide_fused"], rtol=1e-5, atol=1e-5)


def test_names_and_shapes_of_both_heads_are_the_published_ones() -> None:
    channels = (64, 128, 320, 512)
    heads = nn.ModuleDict(
        {
            "head": DAFormerDecoder(channels, num_classes=19, width=None),
            "scale_attention": SegFormerDecoder(channels, num_classes=19, width=None),
        }
    )
    shapes = {name: list(value.shape) for name, value in heads.state_dict().items()}
    published = np.load(FOLDER / "daformer_head.npz")["hrda_full_head_shapes"]
    assert shapes == json.loads(str(published))
    assert sum(value.numel() for value in heads.parameters()) == 4_242_982
