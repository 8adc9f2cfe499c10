from __future__ import annotations

import torch

from advent_dist.parallel.world import World


def test_alone_no_process_group_is_needed() -> None:
    world = World()
    assert (world.rank, world.size, world.is_main) == (0, 1, True)
    assert torch.equal(world.sum(torch.tensor([1.0, 2.0])), torch.tensor([1.0, 2.0]))
    assert world.mean({"b": 2.0, "a": 1.0}) == {"a": 1.0, "b": 2.0}
    assert world.first_message(None) is None
    assert world.first_message("stop") == "stop"
    world.barrier()
