"""AdvEnt's step on the paper's network: by the library, and by hand in plain PyTorch."""

from __future__ import annotations

import json
import math
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor, nn

import advent_dist.parallel.deepspeed  # noqa: F401, in memory whoever takes the steps
from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.models.segmenter import Segmenter
from advent_dist.parallel.group import process_group
from advent_dist.training.assembly import build_method
from advent_dist.types import DomainBatch

Step = Callable[[DomainBatch], object]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Who takes the steps, and how many."""

    by: Literal["deepspeed", "local", "plain", "together"]
    """The library's engines; by hand, backward passes one by one as published; or in one."""

    steps: int = 2
    """Steps that are measured, after a first one that is not."""

    source_size: tuple[int, int] = (480, 270)
    """Width and height of the source image."""

    target_size: tuple[int, int] = (384, 192)
    """Width and height of the target image."""


def main() -> None:
    """Print the seconds of a step, and the MB that networks, optimisers and steps take at most."""
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    before = memory_mb("VmRSS")
    with _stepper(options.by) as step:
        step(_batch(options))
        Path("/proc/self/clear_refs").write_text("5")  # peaks count from here
        begun = time.perf_counter()
        for _ in range(options.steps):
            step(_batch(options))
        seconds = (time.perf_counter() - begun) / options.steps
        peak = memory_mb("VmHWM") - before
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_mb": peak}) + "\n")


def _batch(options: Options) -> DomainBatch:
    (width, height), (target_width, target_height) = options.source_size, options.target_size
    return DomainBatch(
        source_image=torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8),
        source_label=torch.randint(0, 19, (1, height, width), dtype=torch.uint8),
        target_image=torch.randint(0, 256, (1, 3, target_height, target_width), dtype=torch.uint8),
    )


def memory_mb(what: str) -> float:
    """A line of this process' status, such as VmRSS, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(rf"{what}:\s+(\d+) kB", status)[0]) / 1000


@contextmanager
def _stepper(by: str) -> Iterator[Step]:
    kind = "deepspeed" if by == "deepspeed" else "local"
    chosen = override(
        experiment("gta5_cityscapes_advent"),
        {"engine.kind": kind, "model.weights": None, "optimizer.published_repeats": False},
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with process_group(chosen.engine, rank=0, size=1, address="127.0.0.1", port=port) as world:
        method = build_method(chosen, world, torch.full((19,), 1 / 19))
        if by in ("deepspeed", "local"):
            yield method.step
        else:
            networks = [engine.module for engine in method.engines.values()]
            yield ByHand(*networks, together=by == "together")  # type: ignore[arg-type]


class ByHand:
    """One GPU's loop as the paper's code has it, with no engine in it."""

    def __init__(
        self, segmenter: Segmenter, main: nn.Module, aux: nn.Module, *, together: bool
    ) -> None:
        self.segmenter, self.discriminators = segmenter, (main, aux)
        self.together = together
        trained = [p for p in segmenter.parameters() if p.requires_grad]
        self.optimizers = [
            torch.optim.SGD(trained, lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
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
        on_source = losses[0] + 0.1 * losses[1]
        if not self.together:
            on_source.backward()
        target = self.segmenter(batch.target_image)
        verdicts = [
            discriminator(_information(logits))
            for discriminator, logits in zip(
                self.discriminators, (target.main, target.aux), strict=True
            )
        ]
        fooling = [_cross_entropy(verdict, 0.0) for verdict in verdicts]
        on_target = 1e-3 * fooling[0] + 2e-4 * fooling[1]
        (on_source + on_target if self.together else on_target).backward()
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
