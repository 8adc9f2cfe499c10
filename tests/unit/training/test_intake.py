"""The metrics of reading, and the limit of damage."""

from __future__ import annotations

import pytest

from advent_dist.data.traffic import BYTES, CACHE_HITS, CACHE_MISSES, RETRIES, SKIPPED, Traffic
from advent_dist.errors import DamageError
from advent_dist.parallel.world import World
from advent_dist.training.intake import Intake
from tests.helpers import run_ranks


def intake(
    *counts: dict[str, int],
    num_samples: int = 1000,
    num_target: int = 1000,
    world: World | None = None,
) -> Intake:
    """Reads a source that takes `counts`, and a target that takes nothing."""
    taken = iter(counts)
    return Intake(
        world=world or World(),
        take_traffic=lambda: {"source": Traffic(next(taken)), "target": Traffic()},
        num_samples={"source": num_samples, "target": num_target},
        max_damaged_fraction=1e-3,
    )


def test_rates_are_of_the_interval_and_counts_of_the_run():
    read = intake(
        {BYTES: 5_000_000, RETRIES: 2, CACHE_MISSES: 3},
        {BYTES: 1, RETRIES: 1, CACHE_HITS: 3, CACHE_MISSES: 1},
    ).read
    first, second = read(10), read(20)
    assert first["read_mb_per_s"] > second["read_mb_per_s"] > 0
    assert (first["read_retries"], second["read_retries"]) == (2, 3)
    assert (first["cache_hit_fraction"], second["cache_hit_fraction"]) == (0, 0.75)
    assert first["cache_errors"] == 0


def test_without_a_cache_there_are_no_numbers_of_it():
    assert set(intake({BYTES: 1}).read(1)) == {"read_mb_per_s", "read_retries", "skipped_samples"}


def test_damage_is_allowed_up_to_its_share_of_what_was_read():
    reading = intake({SKIPPED: 1}, {SKIPPED: 1}, {SKIPPED: 1}, num_samples=1000)
    assert reading.read(10)["skipped_samples"] == 1
    assert reading.read(2000)["skipped_samples"] == 2, "the second epoch meets it again"
    with pytest.raises(DamageError, match=r"3 samples .* data.max_damaged_fraction = 0.001"):
        reading.read(2100)


def test_a_large_target_excuses_no_damage_of_the_source():
    reading = intake({SKIPPED: 2}, num_samples=1000, num_target=1_000_000)
    with pytest.raises(DamageError, match=r"data\.source: 2 samples were skipped"):
        reading.read(10)


def _skipped_on(world: World) -> str:
    reading = intake({SKIPPED: world.rank}, num_samples=500, world=world)
    try:
        return str(reading.read(10)["skipped_samples"])
    except DamageError as error:
        return str(error)


def test_all_ranks_fail_together_when_one_skips_too_much():
    first, second = run_ranks(_skipped_on, 2)
    assert first == second
    assert "1 samples were skipped" in first
