"""The files of a checkpoint, by their names."""

from __future__ import annotations

from advent_dist.config import Experiment

CLASSES_FILE = "classes.json"
"""In checkpoints and in run folders: a class file that says nothing on labels."""

RUN_FILE = "run.json"


WEIGHTS_FILES = ("segmenter.safetensors", "detector.safetensors")
"""A checkpoint has one of them."""


def weights_file(experiment: Experiment) -> str:
    """Name of the file in a checkpoint that has the weights of the run's network."""
    return f"{experiment.network}.safetensors"
