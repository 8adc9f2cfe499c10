"""Runs to exports, and masks of those in a process that has no advent_dist."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import advent_dist
from advent_dist import cli
from advent_dist.models.segmenter import Segmenter
from tests.checkpoint_parts import write_weights
from tests.unit.runs.test_trained import trained_run

FPN = {"model__decoder": "fpn", "model__multi_level": False}
VIT = {"model__encoder": "test_vit", "model__decoder": "linear", "model__multi_level": False}
SWIN = {**VIT, "model__encoder": "swin_tiny_patch4_window7_224"}
NETWORKS: dict[str, dict[str, Any]] = {"deeplab": {}, "fpn": FPN, "vit": VIT, "swin": SWIN}
MASKS = {
    "deeplab": ("onnx_exact", "onnx_larger", "torch_exact"),
    "fpn": ("torch_exact",),
    "vit": ("onnx_exact", "torch_exact"),
    "swin": ("onnx_exact",),
}
"""Program and photo; each program takes seconds to make."""
SIZE = (96, 64)

_STRANGER = """\
import runpy, sys
sys.modules["advent_dist"] = None  # an import of it, or of what is in it, fails
for mask in sys.argv[1:]:
    folder, name = mask.rsplit("/", 1)
    program, photo = name.split("_")
    sys.argv[1:] = [f"{folder}/../{photo}.png", f"{mask}.png"]
    runpy.run_path(f"{folder}/predict_{program}.py", run_name="__main__")
"""


def varied(segmenter: Segmenter, photo: Path) -> dict[str, Tensor]:
    """Random weights that see all classes in a photo, each by itself as often as any other."""
    weights = segmenter.state_dict()
    images = torch.from_numpy(np.array(Image.open(photo))).permute(2, 0, 1)[None]
    with torch.no_grad():
        common = segmenter(images).main.mean((0, 2, 3))
    bias = next(k for k in weights if "main_head" in k and weights[k].shape == common.shape)
    return {**weights, bias: weights[bias] - common}


@pytest.fixture(scope="module")
def exports(_unchecked: None, _shallow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of each network, with the masks that its scripts make of two photos."""
    here = tmp_path_factory.mktemp("exports")
    random = np.random.default_rng(0)
    noise = Image.fromarray(random.integers(0, 256, (8, 12, 3), dtype=np.uint8))
    for name, size in (("exact", SIZE), ("larger", (301, 203))):
        noise.resize(size, Image.Resampling.BICUBIC).save(here / f"{name}.png")
    for name, changes in NETWORKS.items():
        common = {"data__classes": "camvid11", "data__evaluation_size": SIZE}
        run, (segmenter, _) = trained_run(here / "runs", name, **common, **changes)
        write_weights(run, 4, varied(segmenter, here / "exact.png"))
        flags = {f"--{mask.partition('_')[0]}" for mask in MASKS[name]}
        assert cli.run(["export", run, "--to", str(here / name), *flags]) == 0
    masks = [f"{here}/{name}/{mask}" for name, made in MASKS.items() for mask in made]
    subprocess.run([sys.executable, "-c", _STRANGER, *masks], cwd="/", check=True)
    return here


@pytest.mark.parametrize("name", NETWORKS)
def test_strangers_get_the_masks_that_predict_makes(name: str, exports: Path) -> None:
    model = advent_dist.load(exports / "runs" / name)
    # A larger photo is resized by Pillow there, and its logits twice.
    for made in MASKS[name]:
        photo = made.partition("_")[2]
        others = {"exact": 1e-4, "larger": 0.02}[photo]
        expected = model.predict(exports / f"{photo}.png").train_ids
        assert len(np.unique(expected)) > 4
        mask = Image.open(exports / name / f"{made}.png")
        assert (np.asarray(mask) != expected).mean() <= others, made
        painted = np.array(model.classes.palette, np.uint8)[np.asarray(mask)]
        assert (np.asarray(mask.convert("RGB")) == painted).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_an_export_is_taken_where_a_run_is(name: str, exports: Path, tmp_path: Path) -> None:
    photo = exports / "larger.png"
    run, export = (advent_dist.load(place / name) for place in (exports / "runs", exports))
    assert export.classes == run.classes
    for one, other in zip(run.predict(photo), export.predict(photo), strict=True):
        assert (one == other).all()
    both = [str(exports / name), str(exports / "runs" / name)]
    arguments = ["predict", *both, "--images", str(photo), "--out", str(tmp_path)]
    assert cli.run(arguments) == 0
    written = np.asarray(Image.open(tmp_path / "larger_trainid.png"))
    assert (written != run.predict(photo).train_ids).mean() <= 1e-4


def test_it_says_which_sizes_it_takes(exports: Path) -> None:
    said = {name: json.loads((exports / name / "config.json").read_text()) for name in NETWORKS}
    assert [said[name]["input"]["sizes"] for name in NETWORKS] == [*["any"] * 3, "this one"]
    card = (exports / "swin" / "README.md").read_text()
    said = "**Any batch, but one size**: width 96 and height 64, for `model.encoder = swin_tiny"
    assert said in card
    assert "Batch, height and width may be any" in (exports / "fpn" / "README.md").read_text()


def test_scripts_are_short(exports: Path) -> None:
    for script in ("predict_onnx.py", "predict_torch.py"):
        text = (exports / "deeplab" / script).read_text()
        lines = [line for line in text.splitlines() if line and "import" not in line]
        assert len(lines) <= 15
        assert "import advent_dist" not in text


def test_no_place_of_this_machine_gets_out(exports: Path) -> None:
    """Not even in programs, whose operations PyTorch notes the lines of code of."""
    places = [str(Path(advent_dist.__file__).parents[1]), str(Path(torch.__file__).parent)]
    for file in (exports / "deeplab").iterdir():
        contents = [file.read_bytes()]
        if file.suffix == ".pt2":
            with zipfile.ZipFile(file) as archive:
                contents = [archive.read(name) for name in archive.namelist()]
        found = [one for one in places if any(one.encode() in content for content in contents)]
        assert not found, f"{file.name}: {found}"
