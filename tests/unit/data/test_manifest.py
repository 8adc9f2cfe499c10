"""What a manifest tells of its labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from advent_dist.data.manifest import Manifest, lacking
from tests.shard_helpers import examples, write_shards


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
