"""How a run comes by a Ray cluster, and what is said where it does not."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from advent_dist.config import ClusterConfig
from advent_dist.errors import ConfigError
from cluster.connection import ray_cluster


@functools.lru_cache
def _nothing() -> set[str]:
    """As the function that it stands for, which Ray tells to forget what it found."""
    return set()


def test_a_missing_cluster_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # where Ray notes this machine's cluster
    # Nor does one that another program, or another test, has started on this machine count.
    monkeypatch.setattr("ray._private.services._cached_find_gcs_addresses", _nothing)
    with (
        pytest.raises(ConfigError, match="no connection to a Ray cluster at 'auto': start one"),
        ray_cluster(ClusterConfig(address="auto")),
    ):
        pass


def test_an_address_that_is_none_is_named() -> None:
    with (
        pytest.raises(ConfigError, match="no connection to a Ray cluster at 'somewhere': start"),
        ray_cluster(ClusterConfig(address="somewhere")),
    ):
        pass
