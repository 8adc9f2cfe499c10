"""BatchNorm statistics of ranks that saw different data."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from advent_dist.parallel.buffers import pooled, pooled_batch_norm
from advent_dist.parallel.world import World
from tests.helpers import run_ranks

CHANNELS = 3


def _data(rank: int) -> Tensor:
    """Of another mean and variance on each rank."""
    random = torch.Generator().manual_seed(rank)
    return torch.randn(8, CHANNELS, 4, 4, generator=random) * (1 + rank) + 5 * rank


def _far_from_zero(world: World) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Pooled statistics of a channel that hardly varies, and the rank's own."""
    network = nn.Sequential(nn.BatchNorm2d(1))
    network[0].running_mean.fill_(1000.0 + 0.25 * world.rank)
    network[0].running_var.fill_(1e-5)
    own = {name: buffer.clone() for name, buffer in network.named_buffers()}
    with pooled_batch_norm(network, world):
        return {name: buffer.clone() for name, buffer in network.named_buffers()}, own


def _network() -> nn.Sequential:
    """Momentum 1, so that the running statistics are those of the one batch."""
    return nn.Sequential(
        nn.BatchNorm2d(CHANNELS, momentum=1.0),
        nn.BatchNorm2d(CHANNELS, track_running_stats=False),
    )


def _pool(world: World, fail: bool = False) -> tuple[dict[str, Tensor], ...]:
    network = _network().train()
    network(_data(world.rank))
    own = {key: value.clone() for key, value in network.state_dict().items()}
    pooled: dict[str, Tensor] = {}
    try:
        with pooled_batch_norm(network, world):
            pooled = {key: value.clone() for key, value in network.state_dict().items()}
            if fail:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    return own, pooled, network.state_dict()


def test_statistics_of_all_ranks_data_and_each_ranks_own_again() -> None:
    results = run_ranks(_pool, 2)
    everything = torch.cat([_data(0), _data(1)]).transpose(0, 1).flatten(1)
    # BatchNorm's running variance is the unbiased one of each rank.
    mean = everything.mean(1)
    per_rank = [_data(rank).transpose(0, 1).flatten(1) for rank in range(2)]
    var = sum((d.var(1) + d.mean(1) ** 2) / 2 for d in per_rank) - mean**2
    torch.testing.assert_close(var, everything.var(1), rtol=2e-2, atol=0.0)
    for own, together, after in results:
        torch.testing.assert_close(together["0.running_mean"], mean)
        torch.testing.assert_close(together["0.running_var"], var)
        assert all(torch.equal(own[key], after[key]) for key in own)
        assert not torch.allclose(own["0.running_mean"], mean, atol=0.1)
    (_, first, _), (_, second, _) = results
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_channel_that_hardly_varies_far_from_zero_keeps_its_variance() -> None:
    results = run_ranks(_far_from_zero, 2)
    loaded = pooled(nn.Sequential(nn.BatchNorm2d(1)), [own for _, own in results])
    for together in (*(one for one, _ in results), loaded):
        assert together["0.running_mean"].item() == 1000.125
        assert together["0.running_var"].item() == pytest.approx(0.125**2 + 1e-5, rel=1e-5)


def test_they_come_back_after_an_error_too() -> None:
    for own, _, after in run_ranks(_pool, 2, True):
        assert all(torch.equal(own[key], after[key]) for key in own)


def test_alone_the_statistics_are_its_own() -> None:
    own, together, after = _pool(World())
    for key in own:
        assert torch.equal(together[key], own[key])
        assert torch.equal(after[key], own[key])
    together, own = _far_from_zero(World())
    assert together == own == pooled(nn.Sequential(nn.BatchNorm2d(1)), [own])
