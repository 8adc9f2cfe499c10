"""What is said of a run before it starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from advent_dist.errors import DataError
from advent_dist.runs.preflight import check
from tests.helpers import tiny_run, write_tiny_shards
from tests.shard_helpers import Example, examples, write_shards


def with_labels(value: int) -> list[Example]:
    """Samples whose labels hold the one value."""
    return [
        sample._replace(label=np.full((64, 64), value, np.uint8))
        for sample in examples(10, size=(64, 64))
    ]


def test_classes_that_labels_lack_are_named(tmp_path: Path) -> None:
    write_tiny_shards(str(tmp_path))
    assert check(tiny_run(str(tmp_path), "runs")) == []
    write_shards(f"{tmp_path}/source", with_labels(3))
    (said,) = check(tiny_run(str(tmp_path), "runs"))
    assert said.startswith(f"{tmp_path}/source: no labelled pixel in 10 of the 11 classes: sky,")


@pytest.mark.parametrize("folder", ["source", "evaluation"])
def test_void_labels_are_refused(tmp_path: Path, folder: str) -> None:
    write_tiny_shards(str(tmp_path))
    write_shards(f"{tmp_path}/{folder}", with_labels(255))
    with pytest.raises(DataError, match=f"{folder}: none of its labels has a labelled pixel"):
        check(tiny_run(str(tmp_path), "runs"))


def test_labels_of_the_target_are_not_looked_at(tmp_path: Path) -> None:
    write_tiny_shards(str(tmp_path))
    write_shards(f"{tmp_path}/target", with_labels(255))
    assert check(tiny_run(str(tmp_path), "runs")) == []
