"""Checkpoints without a training: parts as a rank writes them, stored and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from advent_dist.data.store import Folder
from advent_dist.parallel.meeting import Meeting
from advent_dist.parallel.world import World
from advent_dist.runs.checkpoints import CheckpointStore, checkpoint_name
from advent_dist.training.progress import Progress, Scores
from advent_dist.training.scratch import new_folder

FILES = {"engines/segmenter/00000.safetensors": b"weights", "rank.pt": b"r"}


def part(progress: Progress, files: dict[str, bytes]) -> Path:
    """One rank's part of a checkpoint, as `checkpoint.save` leaves it."""
    folder = new_folder()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    listed = {name: len(data) for name, data in files.items()}
    text = json.dumps({"files": listed, "progress": progress.to_json()})
    (folder / "run.json").write_text(text)
    return folder


def store(
    checkpoints: Folder,
    step: int,
    files: dict[str, bytes] | None = None,
    best: int | None = None,
    keep: int = 2,
) -> None:
    """Store a checkpoint, as the only rank; `best` is the step of the run's best evaluation."""
    scores = (
        Scores(step=best, target={"miou": 1.0, "mean_entropy": 0.5, "live_classes": 3})
        if best is not None
        else None
    )
    progress = Progress(step=step, last=scores, best=scores)
    store = CheckpointStore(checkpoints, World(), Meeting(World(), 30.0), keep)
    store(part(progress, files or FILES), progress)


def latest(checkpoints: Folder) -> dict[str, bytes] | None:
    """All files of the latest checkpoint, by their relative paths."""
    store = CheckpointStore(checkpoints, World(), Meeting(World(), 30.0), 2)
    with store.latest() as found:
        if found is None:
            return None
        return {
            path.relative_to(found).as_posix(): path.read_bytes()
            for path in found.rglob("*")
            if path.is_file()
        }


def write_weights(
    run: str, step: int, tensors: Mapping[str, Tensor], network: str = "segmenter"
) -> Path:
    """A whole checkpoint in a run's local folder that has the network's weights alone."""
    folder = Path(run, "checkpoints", checkpoint_name(step))
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"{network}.safetensors"
    save_file(dict(tensors), weights)
    (folder / "run.json").write_text(json.dumps({"files": {weights.name: weights.stat().st_size}}))
    return folder
