"""The checkpoints of a run, on a disk or on object storage.

A checkpoint is whole when its list of files, run.json, is there and each file in it has its size.
The list is written last, by rank 0, once it has seen the parts of all ranks. Whoever asks for a
checkpoint asks here; what is not whole is as good as not there.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advent_dist.config.require import is_inside
from advent_dist.data.store import Folder
from advent_dist.errors import CheckpointError, DataError, MissingError
from advent_dist.json_text import json_object
from advent_dist.parallel.meeting import Meeting
from advent_dist.runs.restored import on_this_disk
from advent_dist.training.checkpoint_files import RUN_FILE
from advent_dist.training.progress import Progress
from advent_dist.training.scratch import remove_folder

if TYPE_CHECKING:  # PyTorch, which most who read checkpoints' names do without
    from advent_dist.parallel.world import World

_OURS = re.compile(
    r"(run|classes)\.json|(segmenter|detector|rank_\d+)\.safetensors"
    r"|engines/\w+/\d+\.safetensors"
)
"""Files of a checkpoint, also of one whose list is lost; see `training.checkpoint`."""

_log = logging.getLogger(__name__)


def checkpoint_name(step: int) -> str:
    """Folder name of the checkpoint at a step."""
    return f"step_{step:06d}"


def steps_of(checkpoints: Folder) -> list[int]:
    """Steps of all checkpoints in a folder, whole or not, the latest first."""
    found = (re.fullmatch(r"step_(\d{6,})", name) for name in checkpoints.folders())
    # By number: as a text, a step of seven digits comes before one of six.
    return sorted((int(name[1]) for name in found if name), reverse=True)


def latest_whole(checkpoints: Folder) -> int | None:
    """Step of the latest checkpoint in a folder that is whole; the run may delete others."""
    for step in steps_of(checkpoints):
        with suppress(CheckpointError, MissingError):
            files_of(checkpoints.inside(checkpoint_name(step)))
            return step
    return None


def files_of(checkpoint: Folder) -> dict[str, int]:
    """Name -> bytes of each file that a checkpoint has besides its list.

    Raises:
        CheckpointError: it is not whole; says what is missing.
        DataError: it can't be reached.
    """
    there = checkpoint.sizes()
    if RUN_FILE not in there:
        raise CheckpointError(f"{checkpoint.url} is no whole checkpoint: {RUN_FILE} is missing")
    # What can't be reached is not damaged: that error is another one.
    text = checkpoint.read(RUN_FILE)
    try:
        files = json_object(text, RUN_FILE).get("files")
    except DataError as error:
        raise CheckpointError(f"{checkpoint.url} is no whole checkpoint: {error}") from error
    return _all_of(checkpoint, files, there)


def _all_of(checkpoint: Folder, files: Any, there: dict[str, int]) -> dict[str, int]:
    if not isinstance(files, dict) or not all(map(is_inside, files)):
        raise CheckpointError(f"{checkpoint.url}/{RUN_FILE} lists no files of a checkpoint")
    for name, num_bytes in files.items():
        if there.get(name) != num_bytes:
            found = f"has {there[name]} bytes" if name in there else "is missing"
            raise CheckpointError(
                f"{checkpoint.url} is no whole checkpoint: {name}, of {num_bytes} bytes, {found}"
            )
    return files


def delete_checkpoint(checkpoint: Folder) -> None:
    """Delete a checkpoint, or what is left of one, and nothing else that is in its folder.

    It stops being whole before it loses a file.
    """
    listed: set[str] = set()
    if checkpoint.exists(RUN_FILE):
        with suppress(DataError):
            files = json_object(checkpoint.read(RUN_FILE), RUN_FILE).get("files")
            if isinstance(files, dict):
                listed = {name for name in files if is_inside(name)}
        checkpoint.remove(RUN_FILE)
    checkpoint.delete(lambda name: name in listed or _OURS.fullmatch(name) is not None)


class _FailedElsewhereError(Exception):
    """Another rank could not do its part, and ends the run."""


class CheckpointStore:
    """Lays the parts of all ranks together in the run folder, and hands the latest one back.

    Args:
        checkpoints: The folder of the run's checkpoints.
        world: This rank.
        meeting: Of its ranks, for the thread in which it stores.
        keep: So many of the latest are kept, and the best.
    """

    def __init__(self, checkpoints: Folder, world: World, meeting: Meeting, keep: int) -> None:
        self._folder = checkpoints
        self._world = world
        self._meeting = meeting
        self._keep = keep

    def __call__(self, part: Path, progress: Progress) -> bool:
        """Store this rank's part, which is deleted, then drop checkpoints of old.

        All ranks do, in any one thread of theirs.

        Returns:
            Whether it is stored. It is not where another rank raises one of these.

        Raises:
            CheckpointError: not all that was written is there.
            DataError: the storage can't be written.
        """
        target = self._at(progress.step)
        try:
            with self._each_or_none():
                if self._world.is_main:
                    delete_checkpoint(target)  # what an attempt that was cut off has left there
            with self._each_or_none():
                for file in sorted(part.rglob("*")):
                    name = file.relative_to(part).as_posix()
                    if file.is_file() and name != RUN_FILE:
                        target.upload(name, file)
            if self._world.is_main:
                text = (part / RUN_FILE).read_bytes()
                _all_of(target, json.loads(text)["files"], target.sizes())
                target.write(RUN_FILE, text)
                self._drop(progress)
        except _FailedElsewhereError:
            return False
        finally:
            # It has gigabytes, and the runs that are tried again would fill the disk with more.
            remove_folder(part)
        return True

    @contextmanager
    def _each_or_none(self) -> Iterator[None]:
        """Nobody goes on, nor waits for long, where a rank could not do its part. Collective."""
        try:
            yield
        except BaseException:
            # This error is the run's, whatever became of the others.
            with suppress(Exception):
                self._meeting.any(True)
            raise
        if self._meeting.any(False):
            raise _FailedElsewhereError

    def _drop(self, progress: Progress) -> None:
        """Delete all but the latest few and the best."""
        kept = {progress.step, *([progress.best.step] if progress.best else [])}
        steps = steps_of(self._folder)
        older = (step for step in steps if step < progress.step and self._damage(step) is None)
        for step in islice(older, self._keep - 1):
            kept.update({step, *self._best_of(step)})
        for step in steps:
            if step not in kept:
                delete_checkpoint(self._at(step))

    def _best_of(self, step: int) -> list[int]:
        """The step that was best at another one: a run that falls back there names it."""
        text = self._at(step).read(RUN_FILE)
        best = (json_object(text, RUN_FILE).get("progress") or {}).get("best")
        return [int(best["step"])] if best else []

    def _is_listed(self, step: int) -> bool:
        return self._at(step).exists(RUN_FILE)

    @contextmanager
    def latest(self) -> Iterator[Path | None]:
        """The latest whole checkpoint as a folder of this machine, if there is one. Collective.

        One that is damaged is passed over, and it is said.
        """
        step = self._world.gather(self._latest_whole() if self._world.is_main else None)[0]
        if step is None:
            yield None
            return
        checkpoint = self._at(step)
        with on_this_disk(checkpoint, [RUN_FILE, *files_of(checkpoint)]) as folder:
            yield folder

    def _latest_whole(self) -> int | None:
        damage: dict[int, str] = {}
        for step in steps_of(self._folder):
            reason = self._damage(step)
            if reason is None:
                if damage:
                    reasons = "; ".join(damage.values())
                    _log.warning("going on from step %d, since %s", step, reasons)
                return step
            damage[step] = reason
        # Without its list a checkpoint never was one: the run was cut off in its first.
        listed = [step for step in damage if self._is_listed(step)]
        if listed:
            raise CheckpointError(
                f"{self._folder.url} holds no whole checkpoint ({damage[listed[0]]}); copy the run "
                "there again, or start it anew with --overwrite"
            )
        return None

    def _damage(self, step: int) -> str | None:
        try:
            files_of(self._at(step))
        except CheckpointError as error:
            return str(error)
        return None

    def _at(self, step: int) -> Folder:
        return self._folder.inside(checkpoint_name(step))
