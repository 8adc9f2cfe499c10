"""A worker's log lines say whose they are."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import torch

from advent_dist.parallel.world import World
from cluster.logs import log_as, run_label
from tests.helpers import tiny_run


@pytest.fixture
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    root.handlers, root.level = handlers, level


def test_names_of_runs_and_trials() -> None:
    assert run_label(tiny_run("data", "runs")) == "runs/camvid_day_dusk_advent"
    trial = tiny_run("data", "s3://bucket/runs/sweep/trials/", run__name="00003")
    assert run_label(trial) == "trials/00003"


@pytest.mark.usefixtures("_root_logger")
def test_lines_carry_run_and_rank(capsys: pytest.CaptureFixture[str]) -> None:
    def world(rank: int) -> World:
        return World(rank=rank, size=4, device=torch.device("cpu"))

    # One process, two trials in turn.
    log_as(tiny_run("data", "trials", run__name="00003"), world(1))
    logging.getLogger("advent_dist.data").warning("skipped one")
    log_as(tiny_run("data", "trials", run__name="100%"), world(0))
    logging.getLogger("advent_dist.data").warning("skipped two")
    lines = capsys.readouterr().err.splitlines()
    assert "[trials/00003 rank 1/4] WARNING advent_dist.data: skipped one" in lines
    assert "[trials/100% rank 0/4] WARNING advent_dist.data: skipped two" in lines
    assert sum("skipped" in line for line in lines) == 2
