from __future__ import annotations

from typing import Any

import pytest

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.errors import ConfigError
from advent_dist.training.global_batch import allowed_ranks, for_ranks, global_batch_size
from tests.helpers import tiny_experiment


def _experiment(**changes: Any) -> Experiment:
    values = {name.replace("__", "."): value for name, value in changes.items()}
    return override(tiny_experiment("streets_advent"), {"data.batch_size_per_rank": 2, **values})


@pytest.mark.parametrize(("ranks", "accumulation"), [(1, 12), (2, 6), (3, 4), (12, 1)])
def test_the_accumulation_follows_from_the_ranks(ranks: int, accumulation: int) -> None:
    config = for_ranks(_experiment(run__global_batch_size=24), ranks)
    assert config.engine.gradient_accumulation_steps == accumulation
    assert global_batch_size(config, ranks) == 24
    assert for_ranks(config, ranks) == config


def test_without_it_the_batch_grows_with_the_ranks() -> None:
    config = _experiment(engine__gradient_accumulation_steps=3)
    assert for_ranks(config, 5) == config
    assert [global_batch_size(config, ranks) for ranks in (1, 5)] == [6, 30]


@pytest.mark.parametrize("ranks", [5, 24])
def test_a_global_batch_that_does_not_divide_is_refused(ranks: int) -> None:
    with pytest.raises(ConfigError, match=rf"= 24 is no multiple of {2 * ranks} = .* 2 x {ranks}"):
        for_ranks(_experiment(run__global_batch_size=24), ranks)


def test_both_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"gradient_accumulation_steps = 2: follows from"):
        _experiment(run__global_batch_size=24, engine__gradient_accumulation_steps=2)


def test_the_workers_that_a_run_may_have() -> None:
    assert allowed_ranks(_experiment(cluster__workers=4)) == [4]
    assert allowed_ranks(
        _experiment(cluster__workers=4, cluster__min_workers=2, cluster__max_failures=3)
    ) == [2, 3, 4]
    elastic = {"cluster__workers": 6, "cluster__min_workers": 2, "cluster__max_failures": 3}
    assert allowed_ranks(_experiment(run__global_batch_size=24, **elastic)) == [2, 3, 4, 6]
    with pytest.raises(ConfigError, match="24 is no multiple of 10"):
        allowed_ranks(_experiment(run__global_batch_size=24, cluster__workers=5))
