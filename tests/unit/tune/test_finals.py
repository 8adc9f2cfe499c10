from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from advent_dist.config import Call
from advent_dist.config.baseline import other_terms
from advent_dist.config.override import override
from advent_dist.runs.folder import FINAL_FILE, RunFolder
from tests.unit.tune.helpers import plan, trial
from tune.finals import FinalCandidates, finals_of, winner
from tune.folder import SweepFolder
from tune.metric import Metric
from tune.prune import CheckpointPruner, to_prune

MIOU = Metric(name="target_miou", smoothing=3, collapse_share=0.5)
ENTROPY = Metric(name="criterion/entropy", smoothing=3, collapse_share=0.5)


def test_the_winner_ends_best() -> None:
    trials = [
        trial(0, 30.0, best_score=40.0),
        trial(1, 35.0, best_score=36.0),
        trial(2, 50.0, "stopped"),
        trial(3, 60.0, "collapsed"),
        trial(4, None, "failed"),
    ]
    best = winner(trials, MIOU)
    assert best is not None
    assert best.number == 1
    least = winner(trials, ENTROPY)
    assert least is not None
    assert least.number == 0


def test_the_winner_of_a_sweep_that_finished_none() -> None:
    best = winner([trial(0, 1.0, "stopped"), trial(1, 2.0, "stopped")], MIOU)
    assert best is not None
    assert best.number == 1
    assert winner([trial(0, 1.0, "collapsed"), trial(1, None, "failed")], MIOU) is None


def test_final_trainings(tmp_path: Path) -> None:
    made = plan(tmp_path, seeds_for_best=2)
    finals = finals_of(made, trial(3, 10.0))
    first = made.experiment.run.seed
    assert [(one.which, one.seed) for one in finals] == [
        (which, seed)
        for seed in (first, first + 1)
        for which in ("source_only", "published", "best")
    ]
    assert finals[2].values == {"optimizer.segmenter_lr": 1e-3}
    assert finals[1].values == made.space.point(made.experiment)
    assert [one.which for one in finals_of(made, None)] == ["source_only", "published"] * 2
    published = trial(0, 10.0, published=True)
    assert [one.which for one in finals_of(made, published)] == ["source_only", "best"] * 2


def test_source_only_has_the_best_values_that_it_shares(tmp_path: Path) -> None:
    made = plan(tmp_path, seeds_for_best=1)
    values = {
        "optimizer.segmenter_lr": 1e-3,
        "method.lambda_adv": 0.1,
        "method.logit_adjustment": 0.5,
        "optimizer.discriminator_lr": 1e-5,
        "data.augment.fda_beta": 0.01,
    }
    plain, _, best = finals_of(made, replace(trial(3, 10.0), values=values))
    assert best.values == values
    assert plain.values == {"optimizer.segmenter_lr": 1e-3, "method.logit_adjustment": 0.5}
    trained = made.source_only().training(plain.path, plain.values)
    assert trained.method.logit_adjustment == 0.5
    assert other_terms(made.training(best.path, best.values), trained) == []


def test_a_sweep_of_source_only_has_its_published_point_for_a_baseline(tmp_path: Path) -> None:
    made = plan(tmp_path, experiment="streets_source_only", seeds_for_best=1)
    plain, best = finals_of(made, trial(3, 10.0))
    assert (plain.which, plain.values) == ("source_only", {})
    assert (best.which, best.values) == ("best", trial(3, 10.0).values)


def test_pruning_keeps_the_best_and_those_that_run() -> None:
    trials = [
        trial(0, 10.0),
        trial(1, 50.0, "stopped"),
        trial(2, 20.0),
        trial(3, 99.0, "collapsed"),
        trial(4, None, "failed"),
        trial(5, 1.0, "running"),
        trial(6, None, "pending"),
        trial(7, 30.0),
    ]
    assert {one.number for one in to_prune(trials, MIOU, keep=2)} == {0, 1, 3, 4}
    assert {one.number for one in to_prune(trials, ENTROPY, keep=1)} == {1, 2, 3, 4, 7}
    assert to_prune(trials[5:7], MIOU, keep=1) == []


def test_a_resumed_sweep_does_not_mind_what_was_pruned_before(tmp_path: Path) -> None:
    """Ray Tune would take an error here for one of the trial that has just ended."""
    made = plan(tmp_path, keep_checkpoints=1)
    folder = SweepFolder(made.url)
    for one in (trial(0, 1.0), trial(1, 2.0), trial(2, None, "failed")):
        folder.write_trial(one)
        if one.score is not None:
            folder.open(f"{one.path}/checkpoints/step_000001").write("run.json", b"{}")
    for _ in range(2):
        CheckpointPruner(made, folder).on_trial_complete(0, [], None)
        assert folder.open("trials/00000/checkpoints").folders() == []
        assert folder.open("trials/00001/checkpoints").folders() == ["step_000001"]


def test_a_retraining_that_was_cut_off_does_not_go_on_with_other_values(tmp_path: Path) -> None:
    """Another trial has won since: there is no final.json yet, and a checkpoint of the old one."""
    made = plan(tmp_path, seeds_for_best=1)
    folder = SweepFolder(made.url)
    (before,) = [one for one in finals_of(made, trial(3, 10.0)) if one.which == "best"]
    begun = override(made.training(before.path, before.values), {"run.seed": before.seed})
    RunFolder.of(begun).start(begun, Call())
    folder.open(f"{before.path}/checkpoints/step_000001").write("run.json", b"{}")
    for values, is_kept in ((before.values, True), ({"optimizer.segmenter_lr": 0.5}, False)):
        FinalCandidates([replace(before, values=values)], folder)
        assert bool(folder.open(f"{before.path}/checkpoints").folders()) == is_kept


def test_a_new_winner_is_trained_in_place_of_the_old_one(tmp_path: Path) -> None:
    """Resumed with more trials, a sweep may find better values than those it has retrained."""
    made = plan(tmp_path, seeds_for_best=1)
    folder = SweepFolder(made.url)
    point = made.space.point(made.experiment)
    before = finals_of(made, trial(0, 10.0, values=point, published=True))
    assert FinalCandidates(before, folder).num_trials == 2
    for final in before:
        record = {"values": final.values, "state": "finished"}
        folder.write(FINAL_FILE, record, final.path)
        folder.open(final.path).write("metrics.jsonl", b"")
    assert FinalCandidates(before, folder).num_trials == 0
    folder.write(FINAL_FILE, {**record, "state": "failed"}, final.path)
    assert FinalCandidates(before, folder).num_trials == 1
    after = FinalCandidates(finals_of(made, trial(3, 20.0)), folder)
    assert [after.suggest("")["final"]["which"] for _ in range(2)] == ["published", "best"]
    assert folder.open("final/best_seed1234").list() == []
    assert folder.open("final/source_only_seed1234").exists(FINAL_FILE)
