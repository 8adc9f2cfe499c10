from __future__ import annotations

import json
from typing import Any

from advent_dist.training.progress import Progress, Scores


def _scores(step: int, miou: float, source: float | None = None) -> Scores:
    numbers: dict[str, Any] = {
        "mean_entropy": 0.25,
        "live_classes": 7,
        "information_maximisation": 0.5,
        "snd": 3.0,
        "diversity": 0.75,
    }
    return Scores(
        step=step,
        target={"miou": miou, **numbers},
        source=None if source is None else {"miou": source, **numbers},
    )


def test_best_is_the_highest_and_of_equal_ones_the_latest() -> None:
    progress = Progress()
    verdicts = [
        progress.score(_scores(step, miou))
        for step, miou in enumerate([10.0, 30.0, 20.0, 30.0, 29.0])
    ]
    assert verdicts == [True, True, False, True, False]
    assert progress.best is not None
    assert progress.last is not None
    assert (progress.best.step, progress.last.step) == (3, 4)


def test_the_row_of_a_report() -> None:
    row = {
        "target_miou": 12.5,
        "target_entropy": 0.25,
        "target_live_classes": 7.0,
        "criterion/entropy": 0.25,
        "criterion/information_maximisation": 0.5,
        "criterion/snd": 3.0,
        "criterion/diversity": 0.75,
        "evaluation_skipped_samples": 0.0,
    }
    assert _scores(1, 12.5).row() == row
    assert _scores(1, 12.5, source=40.0).row() == {**row, "source_miou": 40.0}


def test_json_there_and_back() -> None:
    progress = Progress(step=5)
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress
    progress.score(_scores(4, 30.0, source=50.0))
    progress.score(_scores(5, 20.0))
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress
