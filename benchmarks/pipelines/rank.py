"""One rank of some, that takes steps: its seconds, and what goes over the loopback meanwhile."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass

import psutil
import torch
import torch.distributed as dist
import tyro
from torch import nn

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.parallel.group import process_group
from advent_dist.training.assembly import build_method
from advent_dist.types import DomainBatch


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which rank of how many, and what it does."""

    rank: int
    """This one."""

    size: int
    """Ranks in all."""

    port: int
    """A free port."""

    stage: int = 1
    """ZeRO stage of the segmenter."""

    steps: int = 2
    """Steps that are measured, after a first one that is not."""

    scale: float = 1.0
    """Factor of 480x270 and 384x192."""


def main() -> None:
    """Print what was found, as JSON."""
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    # Gloo would take the interface that this machine's name belongs to.
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    chosen = _experiment(options)
    with process_group(
        chosen.engine,
        rank=options.rank,
        size=options.size,
        address="127.0.0.1",
        port=options.port,
    ) as world:
        method = build_method(chosen, world, torch.full((19,), 1 / 19))
        parameters = {name: _count(engine.module) for name, engine in method.engines.items()}
        batch = _batch(options)
        method.step(batch)
        dist.barrier()
        before, begun = _sent(), time.perf_counter()
        for _ in range(options.steps):
            method.step(batch)
        dist.barrier()
        seconds = (time.perf_counter() - begun) / options.steps
        sent = (_sent() - before) / options.steps
    found = {"seconds": seconds, "bytes": sent, "parameters": parameters}
    sys.stdout.write(json.dumps(found) + "\n")


def _experiment(options: Options) -> Experiment:
    return override(
        experiment("gta5_cityscapes_advent"),
        {
            "engine.zero_stage": options.stage,
            "model.weights": None,
            "optimizer.published_repeats": False,
        },
    )


def _batch(options: Options) -> DomainBatch:
    """Noise of this rank's own; its channels are neighbours in memory, as the loader's are."""
    random = torch.Generator().manual_seed(options.rank)

    def pixels(width: int, height: int) -> torch.Tensor:
        shape = (1, round(height * options.scale), round(width * options.scale), 3)
        noise = torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)
        return noise.permute(0, 3, 1, 2)

    source = pixels(480, 270)
    label = torch.randint(0, 19, (1, *source.shape[2:]), generator=random, dtype=torch.uint8)
    return DomainBatch(source_image=source, source_label=label, target_image=pixels(384, 192))


def _count(module: nn.Module) -> int:
    """Parameters that are trained, whole."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return sum(getattr(parameter, "ds_numel", parameter.numel()) for parameter in trained)


def _sent() -> int:
    return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)


if __name__ == "__main__":
    main()
