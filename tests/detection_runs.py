"""Shards with boxes and runs of a tiny detector on them, of seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from advent_dist.config import DetectorConfig, Experiment
from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.models.detector import Detector
from advent_dist.runs.detection import rehearsal, trained
from advent_dist.training.tasks import detection
from tests.detection_helpers import tiny_detector
from tests.shard_helpers import boxed_examples, write_shards


def write_boxed_shards(root: str | Path, *, num_samples: int = 10) -> None:
    """The folders that `tiny_box_run` reads: noise with boxes of cityscapes_boxes8."""
    for number, (name, labelled) in enumerate(
        (("source", True), ("target", False), ("evaluation", True))
    ):
        samples = boxed_examples(num_samples + number, size=(64, 48), prefix=name[0])
        write_shards(f"{root}/{name}", samples, labelled=labelled)


def tiny_box_run(root: str, storage: str, recipe: str = "advent", **changes: Any) -> Experiment:
    """A run of seconds on `write_boxed_shards(root)`; `changes` have `__` for dots."""
    return override(
        experiment(f"streets_boxes_{recipe}"),
        {
            "data.root": root,
            "data.source": "source",
            "data.target": "target",
            "data.evaluation": "evaluation",
            "data.source_evaluation": None,
            "data.held_out": None,
            "data.workers_per_rank": 0,
            "data.source_size": (64, 64),
            "data.target_size": (64, 64),
            "data.evaluation_size": (64, 64),
            "data.batch_size_per_rank": 2,
            "model.discriminator_width": 4,
            "run.storage": storage,
            "run.steps": 4,
            "run.report_every": 1,
            "run.evaluate_every": 2,
            "run.checkpoint_every": 2,
            **{name.replace("__", "."): value for name, value in changes.items()},
        },
    )


@contextmanager
def tiny_detectors() -> Iterator[None]:
    """Within it every detector that is built is `tiny_detector`, whose weights are the same."""

    def build(_: DetectorConfig, num_classes: int) -> Detector:
        return tiny_detector(num_classes)

    with pytest.MonkeyPatch.context() as patch:
        for module in (detection, rehearsal, trained):
            patch.setattr(module, "build_detector", build)
        yield
