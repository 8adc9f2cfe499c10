"""What a manifest tells of its labels, and what it may not tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advent_dist.data.box_manifest import lacking_boxes
from advent_dist.data.class_sets import CITYSCAPES_BOXES_8
from advent_dist.data.manifest import Manifest, lacking
from advent_dist.errors import DataError
from tests.shard_helpers import boxed_examples, examples, write_shards


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_shards(str(tmp_path_factory.mktemp("shards")), examples(2))


def test_labels_that_show_all_classes_lack_nothing(manifest: Manifest) -> None:
    assert manifest.empty_classes == ()
    assert not manifest.is_void
    assert lacking(manifest, "here") is None


def test_classes_without_a_pixel_are_named(manifest: Manifest) -> None:
    counted = list(manifest.class_histogram)
    counted[0] = counted[9] = 0
    partly = replace(manifest, class_histogram=tuple(counted))
    assert partly.empty_classes == ("sky", "pedestrian")
    assert not partly.is_void
    assert lacking(partly, "here") == (
        "here: no labelled pixel in 2 of the 11 classes: sky, pedestrian"
    )


def test_without_any_pixel_labels_are_void(manifest: Manifest) -> None:
    assert replace(manifest, class_histogram=(0,) * 11).is_void


def test_nothing_is_known_without_labels_or_counts(manifest: Manifest, tmp_path: Path) -> None:
    unlabelled = write_shards(str(tmp_path), examples(2), labelled=False)
    for unknown in (unlabelled, replace(manifest, class_histogram=())):
        assert not unknown.is_void
        assert lacking(unknown, "here") is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("shards", 0, "name"), "../../escaped.tar"),
        (("shards", 0, "name"), "/etc/passwd"),
        (("shards", 0, "name"), ".."),
        (("shards", 0, "name"), "a\nb"),
        (("shards", 0, "name"), ""),
        (("shards", 0, "sha256"), "../../../../escaped"),
        (("shards", 0, "sha256"), "A" * 64),
        (("shards", 0, "num_samples"), -1),
        (("shards", 0, "blocks", 0, "offset"), "far"),
        (("shards", 0, "blocks", 0, "crc32"), 2**32),
        (("shards", 0, "blocks", 0, "num_samples"), 10**12),
        (("shards", 0, "blocks", 0, "num_samples"), 1),
        (("shards", 0, "blocks", 0, "num_bytes"), 10**12),
        (("shards", 0, "blocks", 0, "sha256"), "../escaped"),
        (("shards", 0, "num_samples"), 10**12),
        (("shards", 0, "num_bytes"), 512),
        (("shards", 0, "blocks"), 3),
        (("palette", 0), [256, 0, 0]),
        (("palette",), []),
        (("class_histogram",), [1, 2]),
        (("class_histogram", 0), -5),
        (("class_names",), None),
        (("labelled",), "perhaps"),
        (("format",), 2),
        (("shards",), {}),
    ],
)
def test_a_field_that_can_not_be_is_named(
    tmp_path: Path, place: tuple[str | int, ...], value: object
) -> None:
    """What a manifest of a stranger could lead to: other files, other memory."""
    write_shards(str(tmp_path), examples(3))
    tree = json.loads((tmp_path / "manifest.json").read_text())
    inside: Any = tree
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    with pytest.raises(
        DataError, match=rf"^/shards/manifest.json.*{str(place[0])[:5]}.*build the sh"
    ):
        Manifest.from_json(json.dumps(tree), "/shards/manifest.json")


def test_boxes_are_told_with_their_classes_and_counts(tmp_path: Path) -> None:
    written = write_shards(str(tmp_path), boxed_examples(9))
    read = Manifest.from_json(written.to_json(), "here")
    assert read == written
    boxes = [sample.boxes for sample in boxed_examples(9) if sample.boxes is not None]
    assert read.boxes is not None
    assert sum(read.boxes.histogram) + read.boxes.ignored == sum(one.num_boxes for one in boxes)
    assert read.boxes.ignored > 0
    assert read.classes_of("boxes") == CITYSCAPES_BOXES_8
    assert (read.has("boxes"), read.has("pixels")) == (True, False)


def test_without_boxes_the_bytes_are_those_of_before(manifest: Manifest) -> None:
    assert "boxes" not in json.loads(manifest.to_json())
    assert manifest.boxes is None
    assert manifest.classes_of("boxes") is None
    assert not manifest.has("boxes")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("histogram", [1, 2], r"of \[2, 8\] classes"),
        ("histogram", [-1] * 8, "boxes.histogram.0"),
        ("class_names", ["car"] * 8, "has a name twice"),
        ("class_names", ["a\nb"] * 8, "control or other characters"),
        ("subsets", {"few": [8]}, r"subsets.few = \[8\]"),
        ("ignored", -3, "boxes.ignored"),
    ],
)
def test_what_can_not_be_of_boxes(tmp_path: Path, field: str, value: Any, said: str) -> None:
    raw = json.loads(write_shards(str(tmp_path), boxed_examples(4)).to_json())
    raw["boxes"][field] = value
    with pytest.raises(DataError, match=rf"here.*{said}.*; build the shards again"):
        Manifest.from_json(json.dumps(raw), "here")


def test_classes_without_a_box_are_named(tmp_path: Path) -> None:
    boxes = write_shards(str(tmp_path), boxed_examples(9)).boxes
    assert boxes is not None
    full = replace(boxes, histogram=(1,) * 8)
    assert lacking_boxes(full, "here") is None
    partly = replace(full, histogram=(0, 1, 1, 1, 1, 0, 1, 1))
    said = "here: no box in 2 of the 8 classes: person, train"
    assert lacking_boxes(partly, "here") == said
