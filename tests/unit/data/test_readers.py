"""Reader processes and what they have of the process that forked them."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from advent_dist.data.stream import Readers

_IN_CHILD: dict[str, bool] = {"at_once": False}


def _collect_at_once() -> None:
    if _IN_CHILD["at_once"]:
        gc.set_threshold(1)


os.register_at_fork(after_in_child=_collect_at_once)


class _Connection:
    """Tells which process ended it; nothing but a collection of garbage does."""

    def __init__(self, told: Path) -> None:
        self._told = told
        self._cycle = self

    def __del__(self) -> None:
        (self._told / str(os.getpid())).touch()


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_IN_CHILD, "at_once", True)


@pytest.mark.usefixtures("_at_once")
def test_garbage_of_the_parent_is_left_to_it(tmp_path: Path) -> None:
    """What ends a connection may wait for a thread that a fork does not bring along."""

    def batches(*_: Any) -> Iterator[Any]:
        (tmp_path / f"collects {gc.isenabled()}").touch()
        yield from ()

    gc.collect()
    _Connection(tmp_path)
    readers = Readers(batches, workers=2)
    try:
        readers.start()
        assert gc.isenabled()
        assert list(readers.read("task")) == []
    finally:
        readers.close()
    gc.collect()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [str(os.getpid()), "collects True"]
    )
