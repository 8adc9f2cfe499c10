"""The console's table of a running sweep."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from tests.unit.tune.helpers import plan, trial
from tune.folder import SweepFolder, Trial
from tune.live import LiveTable, line, trial_table

WIDTH = 100


def _trials(made: Any) -> list[Trial]:
    point = made.space.point(made.experiment)
    started = {"values": point, "started_at": 1.0}
    return [
        trial(0, 30.123, published=True, values=point, steps=300),
        trial(1, 25.0, "running", **started, steps=100, seconds=50.0),
        trial(2, None, "running", **started, steps=0, seconds=3.0),
        trial(3, 7.0, "collapsed", values=point, steps=150, reason="2 of 19 classes"),
        trial(10_000, None, "pending", values=point),
    ]


def _drawn(made: Any, trials: list[Trial]) -> list[str]:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(trial_table(trials, made, num_trials=16))
    return [row.rstrip() for row in console.export_text().splitlines()]


def test_the_table_says_what_each_trial_is_at(tmp_path: Path) -> None:
    made = plan(tmp_path)
    title, heading, published, running, silent, collapsed, pending = _drawn(made, _trials(made))
    assert title == "sweep-streets_advent: 2 of 16 trials ended; score = target_miou"
    assert heading.split()[0] == "trial"
    assert heading.split()[-4:] == ["step", "score", "state", "left"]
    assert published.split()[0] == "0*"
    assert published.split()[-3:] == ["300", "30.12", "finished"]
    # 200 of 300 steps are left, at half a second each.
    assert running.split()[-4:] == ["100", "25", "running", "1:40"]
    assert silent.split()[-2:] == ["0", "running"]
    assert collapsed.split()[-3:] == ["150", "7", "collapsed"]
    assert pending.split()[-2:] == ["0", "pending"]


def test_the_table_says_that_no_target_label_decides(tmp_path: Path) -> None:
    title, *_ = _drawn(plan(tmp_path, metric="criterion/snd"), [])
    assert title.endswith("score = criterion/snd, no target labels")


@pytest.mark.parametrize("experiment", ["streets_advent", "gta5_cityscapes_advent"])
@pytest.mark.parametrize(
    "space",
    [
        (),
        tuple(
            f"{path}=loguniform:1e-6:1e-2"
            for path in (
                "method.lambda_adv",
                "method.lambda_adv_aux",
                "optimizer.segmenter_lr",
                "optimizer.discriminator_lr",
                "optimizer.weight_decay",
                "optimizer.head_lr_multiplier",
                "method.lambda_seg_aux",
            )
        ),
    ],
)
def test_it_fits_a_hundred_columns_and_shows_state_and_score(
    tmp_path: Path, experiment: str, space: tuple[str, ...]
) -> None:
    made = plan(tmp_path, experiment=experiment, space=space)
    rows = _drawn(made, _trials(made))
    assert max(map(len, rows)) <= WIDTH
    assert len(rows) == 7
    assert rows[2].split()[-3:] == ["300", "30.12", "finished"]
    assert rows[5].split()[-3:] == ["150", "7", "collapsed"]


def test_without_a_terminal_each_ended_trial_gets_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = plan(tmp_path)
    folder = SweepFolder(made.url)
    one = trial(3, 7.0, "collapsed", steps=150, reason="2 of 19 classes are left " * 10)
    folder.write_trial(one)
    of_ray = SimpleNamespace(config={"number": 3})
    table = LiveTable(made, folder, num_trials=4)
    table.on_trial_start(0, [], of_ray)
    table.on_trial_result(0, [], of_ray, {})
    assert capsys.readouterr().err == ""
    table.on_trial_complete(0, [], of_ray)
    table.close()
    assert capsys.readouterr().err == f"{line(one)}\n"
