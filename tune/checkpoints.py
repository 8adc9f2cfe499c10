"""Checkpoints of ranks that Ray Train does not run: the latest and the best are kept."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from advent_dist.data.store import Folder, open_folder
from advent_dist.parallel.world import World
from advent_dist.runs.folder import CHECKPOINTS, RunFolder, checkpoint_name
from advent_dist.training.checkpoint import RUN_FILE
from advent_dist.training.progress import Progress

_KEPT_FILE = "kept.json"


class CheckpointStore:
    """Lays the ranks' parts of a checkpoint together in the run folder."""

    def __init__(self, run: RunFolder, world: World) -> None:
        self._url = f"{run.url}/{CHECKPOINTS}"
        self._folder = open_folder(self._url)
        self._world = world

    def __call__(self, row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> None:
        """Store this rank's part, then drop what is neither the latest nor the best. Collective."""
        if checkpoint is None:
            return
        target = self._open(progress.step)
        for file in sorted(checkpoint.rglob("*")):
            if file.is_file():
                target.write(file.relative_to(checkpoint).as_posix(), file.read_bytes())
        shutil.rmtree(checkpoint)
        self._world.barrier()
        if self._world.is_main:
            self._keep([progress.step, *([progress.best.step] if progress.best else [])])

    def _keep(self, steps: list[int]) -> None:
        before = self._kept()
        # First the note, then the deletion: a note of what is gone would end a resumption.
        self._folder.write(_KEPT_FILE, json.dumps({"latest": steps[0], "steps": steps}).encode())
        for step in set(before["steps"]) - set(steps):
            self._open(step).delete()

    def _kept(self) -> dict[str, Any]:
        if not self._folder.exists(_KEPT_FILE):
            return {"latest": None, "steps": []}
        kept: dict[str, Any] = json.loads(self._folder.read(_KEPT_FILE))
        return kept

    @contextmanager
    def latest(self) -> Iterator[Path | None]:
        """The latest complete checkpoint as a local folder, if there is one."""
        step = self._kept()["latest"]
        if step is None:
            yield None
            return
        folder = self._open(step)
        if folder.is_local:
            yield Path(folder.path)
            return
        with tempfile.TemporaryDirectory() as local:
            run = folder.read(RUN_FILE)
            for name in (RUN_FILE, *json.loads(run)["files"]):
                file = Path(local, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(folder.read(name))
            yield Path(local)

    def _open(self, step: int) -> Folder:
        return open_folder(f"{self._url}/{checkpoint_name(step)}")
