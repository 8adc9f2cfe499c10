"""Networks that are followed for images of one size alone, and what does not agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from advent_dist.config.override import override
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.errors import ExportError
from advent_dist.experiments import experiment
from advent_dist.export.agreement import Example, compare, pictures
from advent_dist.export.network import ExportedNetwork, takes_long, why_one_size
from advent_dist.export.program import trace
from advent_dist.models.segmenter import build_segmenter
from advent_dist.runs.trained import TrainedRun


def trained(recipe: str = "streets_advent", **changes: Any) -> TrainedRun:
    values = {"model.encoder": "test_resnet", "model.weights": None}
    values |= {name.replace("__", "."): value for name, value in changes.items()}
    chosen = override(experiment(recipe), values)
    return TrainedRun(
        experiment=chosen,
        classes=CAMVID_11,
        segmenter=build_segmenter(chosen.model, 11).eval(),
        sliding=chosen.data.sliding,
    )


def test_two_resolutions_in_windows(tmp_path: Path) -> None:
    """HRDA, in windows that slide over the images: all of it is in the program."""
    size = {"data__evaluation_size": (96, 64), "data__evaluation_window": (64, 64)}
    run = trained("streets_hrda", model__detail_crop=(64, 64), **size)
    program = trace(run, read_back=True)
    assert (program.one_size or "").startswith("data.evaluation_window = 64 64: windows are laid")
    images = torch.randint(0, 256, (4, 3, 64, 96))
    found = program.traced.module()(images.float())
    with torch.no_grad():
        assert torch.allclose(found, run.predictor(images.byte(), (64, 96)), atol=1e-5)


def test_which_networks_take_one_size() -> None:
    assert why_one_size(trained(), read_back=True) is None
    hrda = why_one_size(trained("streets_hrda", model__detail_crop=(64, 48)), read_back=False)
    assert hrda == "model.detail_crop = 64 48: windows are laid out over images of one size"
    padded = trained(model__encoder="tf_efficientnet_lite0")
    why = why_one_size(padded, read_back=True) or ""
    assert why.startswith("model.encoder = tf_efficientnet_lite0: its padding, TensorFlow's")
    assert why_one_size(padded, read_back=False) is None
    assert (takes_long(padded), takes_long(trained())) == (True, False)


def test_one_size_where_pytorch_can_not_follow_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transformer of which nobody knew that its positions are laid out for one size."""
    monkeypatch.setattr("advent_dist.export.program.why_one_size", lambda run, *, read_back: None)
    decoder = {"model__decoder": "linear", "model__multi_level": False}
    size = {"data__evaluation_size": (40, 24)}
    program = trace(trained(model__encoder="test_vit", **decoder, **size), read_back=True)
    assert program.one_size == (
        "model.encoder = test_vit: torch.export can't follow it through images of any size"
    )
    assert program.dynamic == {0: "batch"}


def test_what_pytorch_can_not_follow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_back(self: ExportedNetwork, images: torch.Tensor) -> torch.Tensor:
        return images[:, :1] * float(images.mean())

    monkeypatch.setattr(ExportedNetwork, "forward", read_back)
    with pytest.raises(ExportError, match=r"model\.encoder = test_resnet: torch\.export can't fol"):
        trace(trained(data__evaluation_size=(32, 32)), read_back=True)


def test_three_sizes_or_three_batches() -> None:
    shapes = [tuple(one.shape) for one in pictures((96, 64), any_size=True)]
    assert shapes == [(2, 3, 64, 96), (1, 3, 49, 73), (1, 3, 64, 122)]
    assert {tuple(one.shape[1:]) for one in pictures((96, 64), any_size=False)} == {(3, 64, 96)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (torch.tensor(3e-4), "logits differ by up to 0.0003, and 0.00%"),
        (torch.tensor([0.0, 2.0]).view(1, 2, 1, 1), r"and 100.00% of the pixels"),
        (torch.tensor(torch.nan), "logits differ by up to nan"),
    ],
)
def test_a_program_of_something_else_is_refused(change: torch.Tensor, said: str) -> None:
    images = torch.zeros(1, 3, 4, 6)
    logits = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 4, 6)
    examples = [Example(images, logits)]
    assert compare(lambda _: logits + 5e-5, examples, "model.onnx").difference < 1e-4
    with pytest.raises(ExportError, match=rf"model\.onnx is not the network .*{said}"):
        compare(lambda _: logits + change, examples, "model.onnx")
