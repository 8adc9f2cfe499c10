"""What a rank lets PyTorch do, and choose by measuring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from advent_dist.data.class_sets import CAMVID_11
from advent_dist.parallel.world import World
from advent_dist.training.determinism import set_deterministic
from advent_dist.training.rank import train_rank
from tests.helpers import tiny_run, write_tiny_shards


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # a user's own, which stays
    backends = torch.backends
    before = backends.cudnn.benchmark, backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32
    yield
    set_deterministic(False)
    backends.cudnn.benchmark, backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32 = before


@pytest.mark.parametrize(
    ("engine", "deterministic", "tf32"),
    [({}, False, True), ({"engine__deterministic": True, "engine__tf32": False}, True, False)],
)
def test_a_rank_is_as_its_config_says(
    engine: dict[str, Any], deterministic: bool, tf32: bool, tmp_path: Path
) -> None:
    write_tiny_shards(str(tmp_path))
    changes = {"engine__kind": "local", "run__steps": 1, **engine}
    found = []

    def report(*_: Any) -> bool:
        backends = torch.backends
        found.append((torch.are_deterministic_algorithms_enabled(), not backends.cudnn.benchmark))
        found.append((not backends.cudnn.allow_tf32, not backends.cuda.matmul.allow_tf32))
        return False

    train_rank(tiny_run(str(tmp_path), "unused", **changes), CAMVID_11, World(), report)
    assert found == [(deterministic, deterministic), (not tf32, not tf32)]
