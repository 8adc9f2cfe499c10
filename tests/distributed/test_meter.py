from __future__ import annotations

import math
from typing import Any

import torch

from advent_dist.errors import DivergedError
from advent_dist.parallel.world import World
from advent_dist.training.meter import Meter
from tests.helpers import random_batch, run_ranks


def _read(world: World, bad_rank: int | None) -> tuple[Any, str | None]:
    meter = Meter(world)
    with meter.training():
        for step in range(2):
            value = math.nan if world.rank == bad_rank and step == 1 else float(world.rank)
            batch = random_batch(10 * world.rank + step)
            meter.add(step, batch, {"loss/seg": torch.tensor(value)})
    try:
        return meter.read(), None
    except DivergedError as error:
        return None, str(error)


def test_means_over_the_ranks() -> None:
    rows = [row for row, _ in run_ranks(_read, 2, None)]
    assert rows[0] == rows[1]
    assert rows[0]["loss/seg"] == 0.5


def test_every_rank_learns_of_one_ranks_loss_that_is_not_finite() -> None:
    messages = [message for _, message in run_ranks(_read, 2, 1)]
    assert messages[0] == messages[1]
    assert messages[0] is not None
    assert messages[0].startswith("loss/seg = nan at step 1 on rank 1, source samples s11a, s11b")
