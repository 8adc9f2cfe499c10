"""One command at a time in a sweep's folder, and in those of its trials."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from advent_dist.data import claim
from advent_dist.data.claim import claimed
from advent_dist.data.class_sets import CITYSCAPES_19
from advent_dist.data.store import open_folder
from advent_dist.errors import ConfigError
from advent_dist.runs.folder import RunFolder
from cluster.launch import _sweep_claimed
from tests.unit.tune.helpers import plan
from tune import sweep
from tune.plan import Plan
from tune.record import SweepRecord


class _BegunError(Exception):
    """The sweep has the folder."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What of a sweep was started, which is all but its trials, without Ray and shards."""
    done: list[str] = []

    def begin(*_: Any) -> None:
        raise _BegunError

    def ray(_: Plan) -> Any:
        done.append("Ray")
        return nullcontext()

    for name, instead in {
        "classes_of": lambda _: CITYSCAPES_19,
        "check": lambda *_: type("Checked", (), {"said": lambda _: ""})(),
        "tracking": lambda _: [],
        "_ray_tune": ray,
        "wait_for_workers": lambda: None,
        "on_cluster": lambda experiment: (experiment, "CPUs"),
        "max_concurrent": lambda _: 1,
        "check_shared": lambda _: None,
    }.items():
        monkeypatch.setattr(sweep, name, instead)
    monkeypatch.setattr(SweepRecord, "open", begin)
    monkeypatch.setattr(claim, "BEAT_S", 0.05)
    return done


def test_a_sweep_in_use_is_refused_before_ray_starts(tmp_path: Path, started: list[str]) -> None:
    chosen = plan(tmp_path, name="one")
    with claimed(open_folder(chosen.url)):
        with pytest.raises(ConfigError, match=r"one is in use by process .* --force"):
            sweep.run_sweep(chosen, "")
        assert started == []
    with pytest.raises(_BegunError):
        sweep.run_sweep(chosen, "")
    assert started == ["Ray"]


def test_force_takes_it_over_once_the_other_has_ended(tmp_path: Path, started: list[str]) -> None:
    chosen = plan(tmp_path, name="one", force=True)
    lost, held = threading.Event(), threading.Event()

    def hold() -> None:
        with claimed(open_folder(chosen.url), on_lost=lost.set):
            held.set()
            lost.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(60)
    with pytest.raises(_BegunError):
        sweep.run_sweep(chosen, "")
    assert lost.is_set()
    other.join(60)
    assert not other.is_alive()


def test_a_trial_of_a_sweep_in_use_is_not_trained_beside_it(tmp_path: Path) -> None:
    folder = open_folder(f"{tmp_path}/one")
    folder.write("sweep.json", b"{}")
    trial = RunFolder(open_folder(f"{tmp_path}/one/trials/00003"))
    with (
        claimed(folder),
        pytest.raises(ConfigError, match=r"one is in use by process"),
        _sweep_claimed(trial),
    ):
        pass
    with _sweep_claimed(trial):
        pass
