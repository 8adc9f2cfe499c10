"""What differs between segmentation and detection: a file each, behind `Task`."""

from __future__ import annotations

from advent_dist.config import Experiment
from advent_dist.training.tasks.detection import Detection
from advent_dist.training.tasks.segmentation import Segmentation
from advent_dist.training.tasks.task import Task

TASKS: dict[str, type[Segmentation | Detection]] = {
    "segmenter": Segmentation,
    "detector": Detection,
}
"""`Experiment.network` -> the task that trains it."""


def task_of(experiment: Experiment) -> Task:
    """The task of an experiment."""
    return TASKS[experiment.network](experiment)


__all__ = ["TASKS", "Task", "task_of"]
