"""Data sets as they are found, where there are some: `build folder` gives what one expects of them.

They are no part of this project; put them beside it as shared/data, or these tests are skipped.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shards.camvid import CamVid
from shards.folder import ImageFolder
from shards.presets.india import IDDLite

DATA = Path(__file__).parents[4] / "shared" / "data"

CAMVID = """\
name: camvid
ignore: [11]
classes: [{name: sky, ids: [0]}, {name: building, ids: [1]}, {name: pole, ids: [2]},
  {name: road, ids: [3]}, {name: pavement, ids: [4]}, {name: tree, ids: [5]},
  {name: sign, ids: [6]}, {name: fence, ids: [7]}, {name: car, ids: [8]},
  {name: pedestrian, ids: [9]}, {name: bicyclist, ids: [10]}]
"""
IDD = """\
name: groups
classes: [{name: drivable, ids: [0]}, {name: non-drivable, ids: [1]}, {name: living, ids: [2]},
  {name: vehicle, ids: [3]}, {name: object, ids: [4]}, {name: far, ids: [5]}, {name: sky, ids: [6]}]
"""


def folder(
    tmp_path: Path, source: Path, names: list[str], classes: str, labels: str
) -> ImageFolder:
    """The reader of a few images of a folder."""
    (tmp_path / "classes.yaml").write_text(classes)
    (tmp_path / "list.txt").write_text("\n".join(names))
    return ImageFolder(
        str(source),
        "**/*.jpg",
        labels,
        classes_file=str(tmp_path / "classes.yaml"),
        listed=str(tmp_path / "list.txt"),
    )


def read(reader: ImageFolder) -> dict[str, tuple[np.ndarray, np.ndarray]]:  # type: ignore[type-arg]
    items = reader.items(True)
    reader.look_first(items, True, None, 1)
    return {item.image: item.load(True) for item in items}  # type: ignore[misc]


@pytest.mark.skipif(not (DATA / "camvid").is_dir(), reason="no CamVid here")
def test_camvid_is_as_its_preset_reads_it(tmp_path: Path) -> None:
    items = CamVid(DATA / "camvid", splits=("val",)).items(True)[:4]
    names = [f"val/{item.image.name}" for item in items]
    reader = folder(tmp_path, DATA / "camvid", names, CAMVID, "{parent}annot/{name}.png")
    found = read(reader)
    for item, name in zip(items, names, strict=True):
        for mine, preset in zip(found[name], item.load(True), strict=True):
            np.testing.assert_array_equal(mine, preset)


def labels_of(paths: list[Path]) -> list[np.ndarray]:  # type: ignore[type-arg]
    return [np.asarray(Image.open(path)) for path in paths]


@pytest.mark.skipif(not (DATA / "idd_lite").is_dir(), reason="no IDD-Lite here")
def test_idd_lite_has_train_ids_in_its_files(tmp_path: Path) -> None:
    source = DATA / "idd_lite"
    stems = sorted(path.stem for path in (source / "tune").iterdir())[:4]
    names = [f"tune/{stem}.jpg" for stem in stems]
    found = read(folder(tmp_path, source, names, IDD, "{parent}_labels/{name}.*"))
    expected = labels_of([source / "tune_labels" / f"{stem}.png" for stem in stems])
    for name, label in zip(names, expected, strict=True):
        np.testing.assert_array_equal(found[name][1], label)
    preset = published_again(tmp_path / "idd20k_lite", source, stems).items(True)
    for name, item in zip(names, preset, strict=True):
        for mine, theirs in zip(found[name], item.load(True), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def published_again(root: Path, source: Path, stems: list[str]) -> IDDLite:
    """The preset of links to a few files, named as in the download: drive/frame_image.jpg."""
    for stem in stems:
        drive, frame = stem.split("_")
        for folder, end in (("leftImg8bit", "image.jpg"), ("gtFine", "label.png")):
            found = source / ("tune" if folder == "leftImg8bit" else "tune_labels")
            link = root / folder / "val" / drive / f"{frame}_{end}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(found / f"{stem}{end[-4:]}")
    return IDDLite(str(root), split="val")


@pytest.mark.skipif(not (DATA / "airsim").is_dir(), reason="no AirSim here")
def test_airsim_merges_its_ids_by_name(tmp_path: Path) -> None:
    source = DATA / "airsim"
    by_id = json.loads((source / "mapping.json").read_text())["id_to_name"]
    classes = [name for name in dict.fromkeys(by_id.values()) if name != "void"]
    tree = {
        "name": "suburb",
        "ignore": [int(i) for i, name in by_id.items() if name == "void"],
        "classes": [
            {"name": name, "ids": [int(i) for i, other in by_id.items() if other == name]}
            for name in classes
        ],
    }
    stems = sorted(path.stem for path in (source / "images/test").iterdir())[:4]
    names = [f"images/test/{stem}.jpg" for stem in stems]
    reader = folder(tmp_path, source, names, json.dumps(tree), "labels/test/{name}.png")
    found = read(reader)
    raw = labels_of([source / "labels/test" / f"{stem}.png" for stem in stems])
    for name, ids in zip(names, raw, strict=True):
        train_ids = [
            classes.index(by_id[str(i)]) if by_id[str(i)] in classes else 255 for i in ids.flat
        ]
        np.testing.assert_array_equal(found[name][1].ravel(), train_ids)
