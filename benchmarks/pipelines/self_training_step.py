"""MIC's step, and the forward and backward passes that it is made of, alone."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.losses import cross_entropy
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.types import DomainBatch
from benchmarks.memory import memory_mb


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is measured, and how often."""

    what: Literal["step", "passes"]
    """The whole step, or its passes one after the other."""

    steps: int = 3
    """Steps that are measured, after a first one that is not."""

    scale: float = 1.0
    """Factor of the images' sides."""


def main() -> None:
    """Print the CPU seconds of a step, and the MB that it takes at most."""
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    before = memory_mb("VmRSS")
    chosen = override(
        experiment("camvid_day_dusk_mic"),
        {
            "engine.kind": "local",
            "model.weights": None,
            "model.decoder": "daformer",
            "model.multi_level": False,
            "method.jitter_probability": 1.0,
            "method.blur_probability": 1.0,
        },
    )
    method: Any = build_method(chosen, World(), torch.full((11,), 1 / 11))
    step = method.step if options.what == "step" else _Passes(method)
    batches = [_batch(number, options.scale) for number in range(options.steps + 1)]
    step(batches[0])
    Path("/proc/self/clear_refs").write_text("5")  # peaks count from here
    begun = time.process_time()
    for batch in batches[1:]:
        step(batch)
    seconds = (time.process_time() - begun) / options.steps
    peak = memory_mb("VmHWM") - before
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_mb": peak}) + "\n")


def _batch(seed: int, scale: float) -> DomainBatch:
    random = torch.Generator().manual_seed(seed)
    # Labels are in blocks of eight.
    height, width = (round(side * scale) for side in (30, 40))
    shape = (2, 2, 3, 8 * height, 8 * width)
    images = torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)
    labels = torch.randint(0, 11, (2, height, width), generator=random, dtype=torch.uint8)
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return DomainBatch(source_image=images[0], source_label=labels, target_image=images[1])


class _Passes:
    """What no step of MIC can do without; its terms, mixing and masks are left out.

    Three passes of the student forward and back, one forward of the teacher, one of the first
    encoder, an update.
    """

    def __init__(self, method: Any) -> None:
        self.student = method.engines["segmenter"]
        self.teacher = method.kept["teacher"]
        self.initial = method.source._distance._initial

    def __call__(self, batch: DomainBatch) -> None:
        self.initial(batch.source_image)
        self.teacher(batch.target_image)
        for left in (2, 1, 0):
            loss = cross_entropy(self.student(batch.source_image).main, batch.source_label)
            self.student.backward(loss, more=left > 0)
        self.student.step()


if __name__ == "__main__":
    main()
