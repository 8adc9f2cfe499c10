"""Notes when marks of a training are passed, in every process that has this folder on its path.

Python imports a module of this name before anything else. `benchmarks/notes.py` reads the notes.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

MARKS = {
    "advent_dist.commands.train": ["train"],
    "advent_dist.runs.preflight": ["check"],
    "cluster.launch": ["fit"],
    "cluster.failures": ["MistakesAreFinal.make_decision"],
    "ray.train.v2._internal.execution.worker_group.worker_group": ["WorkerGroup.shutdown"],
    "cluster.worker": ["train_worker"],
    "advent_dist.training.rank": ["train_rank"],
    "advent_dist.training.assembly": ["build_method"],
    "advent_dist.training.checkpoint": ["restore"],
    "advent_dist.runs.folder": ["RunFolder.write_summary"],
    "advent_dist.data.loader": ["TrainingLoader.__next__"],
    "advent_dist.training.meter": ["Meter.add"],
}
"""Module -> functions in it whose calls are noted, their beginning and their end."""


def _noting(function: Callable[..., Any], name: str, file: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        _note(file, f"{name} begins")
        try:
            return function(*args, **kwargs)
        finally:
            _note(file, f"{name} ends")

    return noted


def _note(file: str, mark: str) -> None:
    line = json.dumps([mark, time.time(), os.getpid(), time.process_time()])
    # At once, so that the lines of several processes do not mix.
    with open(file, "a") as notes:
        notes.write(line + "\n")


class _Marking(Loader):
    """Loads as another loader does, and then puts the marks."""

    def __init__(self, loader: Loader, file: str) -> None:
        self.loader, self.file = loader, file

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        for path in MARKS[module.__name__]:
            *owners, name = path.split(".")
            owner = functools.reduce(getattr, owners, module)
            setattr(owner, name, _noting(getattr(owner, name), path, self.file))


class _Finder(MetaPathFinder):
    def __init__(self, file: str) -> None:
        self.file = file

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in MARKS:
            return None
        spec = PathFinder.find_spec(name, path)
        assert spec is not None
        assert spec.loader is not None
        spec.loader = _Marking(spec.loader, self.file)
        return spec


if _file := os.environ.get("ADVENT_DIST_NOTES"):
    sys.meta_path.insert(0, _Finder(_file))
