"""Steps of AdvEnt: by the library, and by hand as the published code takes them."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor, nn

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.models.segmenter import Segmenter
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.types import DomainBatch
from benchmarks.memory import forget_peak, memory_mb
from benchmarks.one_rank import one_rank

Step = Callable[[DomainBatch], object]
PUBLISHED = "published"
_AGAIN = {"engine.activation_checkpointing": True}
LOOPS: dict[str, dict[str, Any]] = {
    PUBLISHED: {"engine.kind": "local"},
    "deepspeed": {"engine.kind": "deepspeed"},
    "plain": {"engine.kind": "local"},
    "cheap": {"engine.kind": "deepspeed", **_AGAIN, "engine.recomputed": "cheap"},
    "all": {"engine.kind": "deepspeed", **_AGAIN},
    "bf16": {"engine.kind": "deepspeed", "engine.precision": "bf16"},
}
"""Who takes the steps, and what of the config makes it so."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Whose steps, and how many."""

    by: tuple[str, ...]
    """Names of `LOOPS`; several take their steps in turn."""

    steps: int = 2
    """Steps of each that are measured, after a first one that is not."""

    threads: int = 2
    """Threads that compute."""

    encoder: str = "deeplab_v2"
    """The paper's, or any of timm."""

    source_size: tuple[int, int] = (480, 270)
    """Width and height of the source image."""

    target_size: tuple[int, int] = (384, 192)
    """Width and height of the target image."""


def main() -> None:
    """Print the seconds of each step, the MB that they took, and how far gradients differ."""
    options = tyro.cli(Options)
    before = memory_mb("VmRSS")
    engine = experiment("gta5_cityscapes_advent").engine
    with one_rank(engine, threads=options.threads) as world:
        loops = {name: _Loop(name, options, world) for name in options.by}
        for loop in loops.values():
            # In one layout: in another one sums have another order, and a hundred layers, none of
            # which has learnt anything, make much of that.
            loop.step(batch_of(options))
        updates = {name: loop.update for name, loop in loops.items()}
        forget_peak()
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in loops}
        for _ in range(options.steps):
            for name, loop in loops.items():
                taken[name].append(loop.take(batch_of(options, channels_last=loop.channels_last)))
        peak = memory_mb("VmHWM") - before
    difference = {
        name: float((update - updates[PUBLISHED]).norm() / updates[PUBLISHED].norm())
        for name, update in updates.items()
        if PUBLISHED in updates
    }
    found = {"taken": taken, "peak_mb": peak, "difference": difference}
    sys.stdout.write(json.dumps(found) + "\n")


def batch_of(options: Options, *, channels_last: bool = False) -> DomainBatch:
    """The same whenever it is asked for, so that all learn from one."""
    (width, height), (target_width, target_height) = options.source_size, options.target_size
    random = torch.Generator().manual_seed(1)

    def some(*shape: int, below: int = 256) -> Tensor:
        return torch.randint(0, below, shape, generator=random, dtype=torch.uint8)

    batch = DomainBatch(
        source_image=some(1, 3, height, width),
        source_label=some(1, height, width, below=19),
        target_image=some(1, 3, target_height, target_width),
    )
    if not channels_last:
        return batch
    form = torch.channels_last
    return replace(
        batch,
        source_image=batch.source_image.contiguous(memory_format=form),
        target_image=batch.target_image.contiguous(memory_format=form),
    )


def _experiment(name: str, options: Options) -> Experiment:
    changes = {
        **LOOPS[name],
        "model.encoder": options.encoder,
        "model.weights": None,
        "optimizer.published_repeats": False,
    }
    return override(experiment("gta5_cityscapes_advent"), changes)


class _Loop:
    """One way to take steps, from the same weights as all others."""

    def __init__(self, name: str, options: Options, world: World) -> None:
        method: Any = build_method(_experiment(name, options), world, torch.full((19,), 1 / 19))
        networks = [engine.module for engine in method.engines.values()]
        self.step: Step = ByHand(*networks) if name == PUBLISHED else method.step
        # As `data.loader` hands out images: their channels are neighbours in memory.
        self.channels_last = name != PUBLISHED
        parameters = networks[0].parameters()
        self.trained = [parameter for parameter in parameters if parameter.requires_grad]
        self.initial = [parameter.detach().clone() for parameter in self.trained]

    def take(self, batch: DomainBatch) -> dict[str, float]:
        """Take a step, and its seconds."""
        cpu, wall = time.process_time(), time.perf_counter()
        self.step(batch)
        return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}

    @property
    def update(self) -> Tensor:
        """What the first step did to the segmenter, all parameters in a row; call it once."""
        initial, self.initial = self.initial, []
        pairs = zip(self.trained, initial, strict=True)
        return torch.cat([(now.detach() - before).flatten() for now, before in pairs])


class ByHand:
    """One GPU's loop as the paper's code has it, with no engine in it."""

    def __init__(self, segmenter: Segmenter, main: nn.Module, aux: nn.Module) -> None:
        self.segmenter, self.discriminators = segmenter, (main, aux)
        groups = segmenter.parameter_groups()
        heads = {"params": groups["heads"], "lr": 2.5e-3}
        self.optimizers = [
            torch.optim.SGD(
                [{"params": groups["encoder"]}, heads], lr=2.5e-4, momentum=0.9, weight_decay=5e-4
            ),
            *(torch.optim.Adam(d.parameters(), 1e-4, (0.9, 0.99)) for d in self.discriminators),
        ]

    def __call__(self, batch: DomainBatch) -> None:
        """Take one step."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        for discriminator in self.discriminators:
            discriminator.requires_grad_(False)
        source = self.segmenter(batch.source_image)
        heads = [source.main, source.aux]
        losses = [F.cross_entropy(logits, batch.source_label.long()) for logits in heads]
        (losses[0] + 0.1 * losses[1]).backward()
        target = self.segmenter(batch.target_image)
        verdicts = [
            discriminator(_information(logits))
            for discriminator, logits in zip(
                self.discriminators, (target.main, target.aux), strict=True
            )
        ]
        fooling = [_cross_entropy(verdict, 0.0) for verdict in verdicts]
        (1e-3 * fooling[0] + 2e-4 * fooling[1]).backward()
        for discriminator in self.discriminators:
            discriminator.requires_grad_(True)
        for answer, output in ((0.0, source), (1.0, target)):
            for discriminator, logits in zip(
                self.discriminators, (output.main, output.aux), strict=True
            ):
                verdict = discriminator(_information(logits.detach()))
                (_cross_entropy(verdict, answer) / 2).backward()
        for optimizer in self.optimizers:
            optimizer.step()


def _information(logits: Tensor) -> Tensor:
    p = logits.softmax(1)
    return -p * torch.log2(p + 1e-30) / math.log2(p.shape[1])


def _cross_entropy(verdict: Tensor, answer: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(verdict, torch.full_like(verdict, answer))


if __name__ == "__main__":
    main()
