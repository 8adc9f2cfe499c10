from __future__ import annotations

from typing import Any

import torch

from advent_dist.parallel.world import World
from tests.helpers import run_ranks


def _collectives(world: World) -> dict[str, Any]:
    return {
        "rank": (world.rank, world.size, world.is_main),
        "sum": world.sum(torch.tensor([1.0, float(world.rank)])).tolist(),
        # Ranks may have put in the names in another order.
        "mean": world.mean({"a": 1.0, "b": world.rank} if world.rank else {"b": 0, "a": 3.0}),
        "gathered": world.gather({world.rank: "x" * world.rank}),
        "any": [world.any(world.rank == rank) for rank in (2, 3)],
        "none": world.first_message(None),
        "message": world.first_message(f"rank {world.rank} stops" if world.rank >= 1 else None),
    }


def test_collectives() -> None:
    results = run_ranks(_collectives, 3)
    assert [result["rank"] for result in results] == [(0, 3, True), (1, 3, False), (2, 3, False)]
    for result in results:
        assert result["sum"] == [3.0, 3.0]
        assert result["mean"] == {"a": 5 / 3, "b": 1.0}
        assert result["gathered"] == [{0: ""}, {1: "x"}, {2: "xx"}]
        assert result["any"] == [True, False]
        assert result["none"] is None
        assert result["message"] == "rank 1 stops"
