"""Networks that are followed for images of one size alone, and what does not agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch

from advent_dist.config.override import override
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.errors import ExportError
from advent_dist.experiments import experiment
from advent_dist.export.agreement import Example, compare, pictures
from advent_dist.export.image_sizes import ImageSizes, sizes_of, takes_long
from advent_dist.export.network import ExportedNetwork
from advent_dist.export.onnx_file import write_onnx
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


DINOV3 = {"model__encoder": "vit_small_patch16_dinov3", "model__decoder": "linear"}
SWIN = {"model__encoder": "swin_tiny_patch4_window7_224", "model__decoder": "linear"}
HRDA = {"model__detail_crop": (64, 48)}
WINDOWS = {"data__evaluation_window": (64, 48), "data__evaluation_stride": (40, 32)}
SIZE = {"data__evaluation_size": (96, 64)}


@pytest.mark.parametrize(
    ("recipe", "changes", "said"),
    [
        ("streets_source_only", DINOV3 | {"model__multi_level": False}, "any"),
        ("streets_hrda", HRDA, "any from 64x48 on, both sides multiples of 8"),
        ("streets_hrda", HRDA | WINDOWS, "any from 64x48 on"),
        ("streets_source_only", WINDOWS, "any from 64x48 on"),
    ],
    ids=["positions", "two_resolutions", "both", "windows"],
)
def test_any_size_as_onnx(tmp_path: Path, recipe: str, changes: Any, said: str) -> None:
    """Tried by onnxruntime on three sizes, and here on two more."""
    run = trained(recipe, **changes, **SIZE)
    program = trace(run, read_back=False)
    assert program.sizes.said == said
    assert program.dynamic == {0: "batch", 2: "height", 3: "width"}
    file = tmp_path / "model.onnx"
    write_onnx(program, file)
    # onnxruntime's threads do not wait for each other when they add to one place: sums would lack
    # some of their values, now and then.
    assert not [node.op_type for node in onnx.load(file).graph.node if "Scatter" in node.op_type]
    session = onnxruntime.InferenceSession(str(file))
    for height, width in ((48, 64), (152, 328)):
        images = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8)
        (found,) = session.run(None, {"images": images.float().numpy()})
        expected = run.predictor(images, (height, width))
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-4)


def test_less_than_a_window_is_refused_by_the_program(tmp_path: Path) -> None:
    near = {**WINDOWS, "data__evaluation_stride": (16, 16)}
    program = trace(trained("streets_source_only", **near, **SIZE), read_back=False)
    write_onnx(program, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    for height, width in ((40, 96), (16, 96), (48, 32)):
        with pytest.raises(Exception, match=r"indice|bounds"):
            session.run(None, {"images": torch.zeros(1, 3, height, width).numpy()})


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [("streets_source_only", WINDOWS), ("streets_hrda", HRDA)],
    ids=["windows", "two_resolutions"],
)
def test_any_size_is_read_back(tmp_path: Path, recipe: str, changes: Any) -> None:
    run = trained(recipe, **changes, data__evaluation_size=(192, 96))
    program = trace(run, read_back=True)
    assert program.sizes.why_one is None
    program.write(tmp_path / "model.pt2")


def test_which_networks_take_one_size() -> None:
    assert sizes_of(trained(), read_back=True).why_one is None
    hrda = trained("streets_hrda", model__detail_crop=(128, 96), **SIZE)
    why = "model.detail_crop = 128 96: images of that size have no such window"
    assert sizes_of(hrda, read_back=False).why_one == why
    swin = sizes_of(trained(**SWIN), read_back=False)
    assert (swin.why_one or "").startswith("model.encoder = swin_tiny_patch4_window7_224: a transf")
    assert swin.said == "this one"
    padded = trained(model__encoder="tf_efficientnet_lite0")
    why = sizes_of(padded, read_back=True).why_one or ""
    assert why.startswith("model.encoder = tf_efficientnet_lite0: its padding, TensorFlow's")
    assert sizes_of(padded, read_back=False).why_one is None
    assert (takes_long(padded), takes_long(trained())) == (True, False)
    twice = trained("streets_hrda", model__encoder="tf_efficientnet_lite0", **HRDA, **SIZE)
    assert "which model.detail_crop has two of" in (sizes_of(twice, read_back=False).why_one or "")
    in_windows = trained(model__encoder="tf_efficientnet_lite0", **WINDOWS, **SIZE)
    assert not takes_long(in_windows)


def test_one_size_where_pytorch_can_not_follow_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transformer of which nobody knew that its windows are laid out for one size."""
    own = ImageSizes(own=(40, 24))
    monkeypatch.setattr("advent_dist.export.program.sizes_of", lambda run, *, read_back: own)
    fixed = lambda self, height, width: (int(height) // 16, int(width) // 16)  # noqa: E731
    monkeypatch.setattr("advent_dist.models.encoder.Encoder.grid", fixed)
    decoder = {"model__decoder": "linear", "model__multi_level": False}
    size = {"data__evaluation_size": (40, 24)}
    program = trace(trained(model__encoder="test_vit", **decoder, **size), read_back=True)
    assert program.sizes.why_one == (
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
    own = (96, 64)
    assert ImageSizes(own=own).examples() == [(2, 64, 96), (1, 49, 73), (1, 64, 122)]
    one = ImageSizes(own=own, why_one="a field = a value")
    assert [shape[1:] for shape in one.examples()] == [(64, 96)] * 3
    hrda = ImageSizes(own=own, least=(64, 64), multiple_of=8)
    assert hrda.examples() == [(2, 64, 96), (1, 64, 80), (1, 64, 128)]
    least = ImageSizes(own=own, least=own)
    assert least.examples() == [(2, 64, 96), (1, 82, 96), (1, 64, 122)]
    assert pictures([(2, 4, 6)])[0].shape == (2, 3, 4, 6)


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
