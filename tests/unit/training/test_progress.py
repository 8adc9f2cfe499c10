from __future__ import annotations

import json
from typing import Any

from advent_dist.training.progress import Progress, Scores


def _scores(
    step: int, miou: float | None, source: float | None = None, entropy: float = 0.25, live: int = 7
) -> Scores:
    numbers: dict[str, Any] = {
        "mean_entropy": entropy,
        "live_classes": live,
        "information_maximisation": 0.5,
        "snd": 3.0,
        "diversity": 0.75,
    }
    return Scores(
        step=step,
        target=numbers if miou is None else {"miou": miou, **numbers},
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


def _chosen(progress: Progress, entropies_and_live: list[tuple[float, int]]) -> list[int]:
    """The best step after each evaluation."""
    steps = []
    for step, (entropy, live) in enumerate(entropies_and_live):
        progress.score(_scores(step, None, entropy=entropy, live=live))
        assert progress.best is not None
        steps.append(progress.best.step)
    return steps


def test_without_labels_a_criterion_chooses_in_its_own_direction() -> None:
    entropies = [(0.3, 7), (0.2, 7), (0.4, 7), (0.2, 7)]
    assert _chosen(Progress(selected_by="criterion/entropy"), entropies) == [0, 1, 1, 3]
    by_source = Progress(selected_by="source_miou")
    assert by_source.score(_scores(1, None, source=30.0))
    assert not by_source.score(_scores(2, 90.0, source=20.0))


def test_a_collapsed_snapshot_is_the_best_only_as_long_as_there_is_no_other() -> None:
    """One that is certain of a few classes looks best to most criteria."""
    collapses = [(0.3, 7), (0.01, 3), (0.4, 4), (0.2, 4)]
    assert _chosen(Progress(selected_by="criterion/entropy"), collapses) == [0, 0, 0, 3]
    recovers = [(0.01, 3), (0.5, 7)]
    assert _chosen(Progress(selected_by="criterion/entropy"), recovers) == [0, 1]


def test_a_run_that_goes_on_may_be_judged_by_another_measure() -> None:
    progress = Progress(selected_by="criterion/entropy")
    progress.score(_scores(1, None))
    progress.selected_by = "target_miou"
    assert progress.score(_scores(2, 10.0, entropy=0.9))
    assert not progress.score(_scores(3, 9.0, entropy=0.0))


def test_progress_of_earlier_versions_was_chosen_by_target_miou() -> None:
    tree = Progress(step=5, last=_scores(4, 30.0), best=_scores(4, 30.0)).to_json()
    del tree["selected_by"], tree["most_live_classes"]
    assert Progress.from_json(tree).selected_by == "target_miou"


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
    assert _scores(1, None).row() == {k: v for k, v in row.items() if k != "target_miou"}
    assert _scores(1, 12.5, source=40.0).row() == {**row, "source_miou": 40.0}


def test_json_there_and_back() -> None:
    progress = Progress(step=5)
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress
    progress.score(_scores(4, 30.0, source=50.0))
    progress.score(_scores(5, 20.0))
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress
