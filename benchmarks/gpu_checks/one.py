"""The process of one check: `python -m benchmarks.gpu_checks.one --check NAME --device cuda`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import tyro

from advent_dist.parallel.world import World
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.plan import PLAN
from benchmarks.gpu_checks.rank import one_rank


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is checked, and where."""

    check: str
    """A name of the plan."""

    device: Literal["cpu", "cuda"]
    """What computes."""

    scale: float = 1.0
    """Factor of the sides of the paper's images."""


def main() -> None:
    """Print what was found; whatever is raised is a failure."""
    options = tyro.cli(Options)
    [check] = [one for one in PLAN if one.name == options.check]
    module, name = check.function.split(":")
    place = importlib.import_module(f"benchmarks.gpu_checks.{module}")
    function: Callable[[World, float], Found] = getattr(place, name)
    if check.own_group:
        found = function(World(device=torch.device(options.device)), options.scale)
    else:
        with one_rank(options.device) as world:
            found = function(world, options.scale)
    sys.stdout.write(f"\n{found.line()}\n")


if __name__ == "__main__":
    main()
