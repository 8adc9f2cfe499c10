"""A sweep folder as `tune/search.py` leaves it, with curves drawn by a formula instead of trained.

The formula has what real sweeps have: an optimum between two collapses, noise, and label-free
criteria that follow the target mIoU well, badly or not at all. The trials are cut by the rule of
successive halving, so states, rungs and scores belong together.
"""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from advent_dist.config.override import override
from advent_dist.data.class_sets import class_set
from advent_dist.data.store import Folder, open_folder
from advent_dist.experiments import experiment

LAMBDA, LR, DISCRIMINATOR_LR = (
    "method.lambda_adv",
    "optimizer.segmenter_lr",
    "optimizer.discriminator_lr",
)
SPACE: dict[str, dict[str, Any]] = {
    LAMBDA: {"kind": "loguniform", "low": 1e-4, "high": 1e-1},
    LR: {"kind": "loguniform", "low": 1e-5, "high": 1e-2},
    DISCRIMINATOR_LR: {"kind": "loguniform", "low": 1e-5, "high": 1e-3},
}
PUBLISHED = {LAMBDA: 1e-3, LR: 2.5e-4, DISCRIMINATOR_LR: 1e-4}
SMOOTHING = 3


@dataclass(frozen=True, kw_only=True)
class FakeSweep:
    """What to write."""

    num_trials: int = 12
    max_steps: int = 300
    grace_steps: int = 50
    reduction_factor: int = 3
    evaluate_every: int = 10
    status: str = "finished"
    reached: int | None = None
    """Steps that the unfinished trials have got to; none lets all end."""
    finals: bool = True
    seeds: tuple[int, ...] = (1, 2, 3)
    failed: dict[int, str] = field(default_factory=dict)
    """Number of a trial -> reason of its failure at a third of its steps."""
    stillborn: tuple[int, ...] = ()
    """Numbers of those failed trials that were never evaluated."""
    collapsed: tuple[int, ...] = ()
    """Numbers of trials whose predictions collapse."""
    optional: bool = True
    """Whether criteria, source mIoU and the smoothed score are in the metrics."""
    name: str = "sweep-streets_advent"
    base: dict[str, Any] = field(default_factory=dict)
    """Changes to the experiment."""
    space: dict[str, dict[str, Any]] = field(default_factory=lambda: SPACE)
    metric: str = "target_miou"
    mode: str = "max"
    tune_folder: str = "streets/dusk/tune"
    report_folder: str | None = "streets/dusk/val"
    labelled: bool = True
    """Whether the target has labels: those that choose, and those that report."""
    prefix: str = ""
    """Put before each trial's name."""


def write_sweep(storage: str, fake: FakeSweep) -> str:
    """Write a sweep into STORAGE/NAME.

    Returns:
        Its URL.
    """
    url = f"{storage}/{fake.name}"
    rng = np.random.default_rng(0)
    trials = [_begin(number, fake, rng) for number in range(fake.num_trials)]
    rungs = _rungs(fake)
    _halve(trials, rungs, fake)
    root = open_folder(url)
    _write(root, "sweep.json", _sweep(fake, rungs, trials))
    for trial in trials:
        folder = root.inside(f"trials/{trial['id']}")
        rows = trial.pop("rows")
        _write(folder, "trial.json", trial)
        if rows:
            _write(folder, "config.json", asdict(_experiment(fake, trial["values"])))
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            folder.write("metrics.jsonl", lines.encode())
    if fake.finals:
        _write_finals(root, fake, trials, rng)
    return url


def _experiment(fake: FakeSweep, values: dict[str, Any]) -> Any:
    return override(experiment("streets_advent"), {**fake.base, **values})


def _rungs(fake: FakeSweep) -> list[int]:
    rungs, step = [], fake.grace_steps
    while step < fake.max_steps:
        rungs.append(step)
        step *= fake.reduction_factor
    return rungs


def _sweep(fake: FakeSweep, rungs: list[int], trials: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = sum(trial["seconds"] for trial in trials) / 2
    return {
        "format": 1,
        "name": fake.name,
        "experiment": json.loads(json.dumps(asdict(_experiment(fake, {})))),
        "space": fake.space,
        "published": PUBLISHED,
        "search": "random",
        "scheduler": "asha",
        "metric": {"name": fake.metric, "mode": fake.mode, "smoothing": SMOOTHING},
        "num_trials": fake.num_trials,
        "max_steps": fake.max_steps,
        "grace_steps": fake.grace_steps,
        "reduction_factor": fake.reduction_factor,
        "rungs": rungs,
        "tune_folder": fake.tune_folder,
        "report_folder": fake.report_folder,
        "best": _best(trials, fake)["id"] if fake.finals else None,
        "workers_per_trial": 1,
        "cpus_per_trial": 1.0,
        "gpus_per_trial": 0.0,
        "price_per_hour": None,
        "started_at": 1_760_000_000.0,
        "ended_at": 1_760_000_000.0 + seconds if fake.status != "running" else None,
        "status": fake.status,
        "seconds": seconds,
        "resume_command": "python tune/search.py streets_advent --resume",
    }


def _begin(number: int, fake: FakeSweep, rng: np.random.Generator) -> dict[str, Any]:
    """A trial trained to the end, before anything stops it."""
    values = {path: _draw(one, rng) for path, one in fake.space.items()}
    for path, one in fake.space.items():
        if "of" in one:
            values[path] *= values[one["of"]]
    if number == 0:
        values |= {path: value for path, value in PUBLISHED.items() if path in fake.space}
    words = ",".join(f"{path.rsplit('.')[-1]}={value}" for path, value in values.items())
    return {
        "id": f"{number:05d}",
        "number": number,
        "name": f"{fake.prefix}{number:05d}_{words}",
        "values": values,
        "state": "finished",
        "reason": None,
        "stopped_at_rung": None,
        "published": number == 0,
        "started_at": 1_760_000_000.0 + 40 * number,
        "rows": _rows(number, values, fake, rng),
    }


def _draw(distribution: dict[str, Any], rng: np.random.Generator) -> Any:
    if distribution["kind"] == "choice":
        return distribution["values"][rng.integers(len(distribution["values"]))]
    low, high = math.log10(distribution["low"]), math.log10(distribution["high"])
    return float(f"{10 ** rng.uniform(low, high):.4g}")


def _rows(
    number: int, values: dict[str, Any], fake: FakeSweep, rng: np.random.Generator
) -> list[dict[str, Any]]:
    values = PUBLISHED | values
    strength, speed = math.log10(values[LAMBDA]), math.log10(values[LR])
    goal = 44 - 3.5 * (strength + 2.2) ** 2 - 6 * (speed + 3.1) ** 2
    goal = max(goal - 1.5 * (math.log10(values[DISCRIMINATOR_LR]) + 4) ** 2, 6.0)
    pace = 30 + 40 * abs(speed + 3.0)
    smoothed: list[float] = []
    rows = []
    for step in range(fake.evaluate_every, fake.max_steps + 1, fake.evaluate_every):
        fallen = number in fake.collapsed and step > 2 * fake.grace_steps
        miou = 4 + (goal - 4) * (1 - math.exp(-step / pace)) + rng.normal(0, 0.7)
        miou = 3.0 if fallen else miou
        row: dict[str, Any] = {
            "step": step,
            "loss/seg": 2.4 * math.exp(-step / 90) + 0.3 + rng.normal(0, 0.02),
            "samples_per_s": 11 + rng.normal(0, 0.3),
            "target_miou": miou,
            "target_entropy": 0.01 if fallen else 0.5 - 0.008 * miou + rng.normal(0, 0.01),
            "target_live_classes": 1.0 if fallen else 13.0,
        }
        if fake.optional:
            row |= {
                "source_miou": 30 + 0.5 * miou + rng.normal(0, 2),
                "criterion/entropy": row["target_entropy"],
                "criterion/information_maximisation": 0.02 * miou + rng.normal(0, 0.05),
                "criterion/snd": 3 + 0.03 * miou + rng.normal(0, 0.12),
                "criterion/diversity": 0.6 + rng.normal(0, 0.03),
            }
            smoothed.append(row[fake.metric])
            row["score"] = statistics.median(smoothed[-SMOOTHING:])
        if not fake.labelled:
            del row["target_miou"]
        rows.append(row)
    return rows


def _halve(trials: list[dict[str, Any]], rungs: list[int], fake: FakeSweep) -> None:
    """Cut the trials' rows at the rungs, and write down how each ended."""
    alive = list(trials)
    for number, reason in fake.failed.items():
        trial = trials[number]
        trial["rows"] = [] if number in fake.stillborn else trial["rows"][: fake.max_steps // 30]
        trial |= {"state": "failed", "reason": reason}
        alive.remove(trial)
    for number in fake.collapsed:
        trial = trials[number]
        trial["rows"] = [row for row in trial["rows"] if row["step"] <= 2 * fake.grace_steps + 10]
        reason = "at step 110 only 1 of 13 classes are still predicted"
        trial |= {"state": "collapsed", "reason": reason}
        alive.remove(trial)
    for rung in rungs:
        if fake.reached is not None and rung > fake.reached:
            break
        sign = -1 if fake.mode == "max" else 1
        ranked = sorted(alive, key=lambda trial: sign * _at(trial, rung)[fake.metric])
        alive = ranked[: max(1, len(ranked) // fake.reduction_factor)]
        for trial in ranked[len(alive) :]:
            trial["rows"] = [row for row in trial["rows"] if row["step"] <= rung]
            score = _at(trial, rung)[fake.metric]
            reason = f"stopped at step {rung}: {score:.3g} is not among the best third"
            trial |= {"state": "stopped", "reason": reason, "stopped_at_rung": rung}
    if fake.reached is not None:
        for trial in alive:
            trial["rows"] = [row for row in trial["rows"] if row["step"] <= fake.reached]
            trial["state"] = "running" if trial["rows"] else "pending"
    for trial in trials:
        _sum_up(trial, fake)


def _at(trial: dict[str, Any], step: int) -> dict[str, Any]:
    return next(row for row in trial["rows"] if row["step"] == step)


def _sum_up(trial: dict[str, Any], fake: FakeSweep) -> None:
    values = [row[fake.metric] for row in trial["rows"]]
    scores = [
        statistics.median(values[max(0, n - SMOOTHING) : n]) for n in range(1, 1 + len(values))
    ]
    steps = trial["rows"][-1]["step"] if trial["rows"] else 0
    trial |= {
        "steps": steps,
        "score": scores[-1] if scores else None,
        "best_score": (max if fake.mode == "max" else min)(scores, default=None),
        "ended_at": trial["started_at"] + 0.4 * steps,
        "seconds": 0.4 * steps,
        "start_seconds": (9.0 if trial["number"] == 0 else 0.4) if steps else None,
    }


def _best(trials: list[dict[str, Any]], fake: FakeSweep) -> dict[str, Any]:
    ended = [trial for trial in trials if trial["state"] == "finished"]
    sign = 1 if fake.mode == "max" else -1
    return max(ended, key=lambda trial: sign * trial["score"], default=trials[0])


def _write_finals(
    root: Folder, fake: FakeSweep, trials: list[dict[str, Any]], rng: np.random.Generator
) -> None:
    best = _best(trials, fake)
    settings = {
        "source_only": ({}, 27.0),
        "published": (PUBLISHED, 33.0),
        "best": (best["values"], 38.0),
    }
    for which, (values, level) in settings.items():
        for seed in fake.seeds:
            miou = level + rng.normal(0, 0.8)
            final = {
                "which": which,
                "seed": seed,
                "values": values,
                "last": evaluation(miou, rng, fake.labelled),
                "best": evaluation(miou + 0.7, rng, fake.labelled),
                "images": overlaps(miou, rng) if fake.labelled else None,
                "state": "finished",
                "reason": None,
                "seconds": 0.42 * fake.max_steps,
            }
            _write(root.inside(f"final/{which}_seed{seed}"), "final.json", final)


def evaluation(miou: float, rng: np.random.Generator, labelled: bool = True) -> dict[str, Any]:
    """What `Evaluation.to_json` gives, about a mean IoU."""
    names = class_set("cityscapes19").names
    per_class: dict[str, float | None] = {
        name: max(0.0, miou + 18 * math.cos(place) + rng.normal(0, 1.5))
        for place, name in enumerate(names)
    }
    per_class["train"] = None
    present = [iou for iou in per_class.values() if iou is not None]
    mean = statistics.fmean(present)
    criteria = {
        "mean_entropy": 0.3 - 0.004 * mean,
        "information_maximisation": 0.3 + 0.004 * mean,
        "snd": 3.0,
        "diversity": 0.7,
        "live_classes": 13,
    }
    if not labelled:
        return criteria
    return {
        **criteria,
        "miou": mean,
        "per_class": per_class,
        "subsets": {"16": mean + 1, "13": mean + 4},
        "pixel_accuracy": 80 + 0.2 * mean,
        "boundary_entropy": 0.42,
        "interior_entropy": 0.12,
        "error_auroc": 0.81,
    }


def overlaps(miou: float, rng: np.random.Generator, images: int = 30) -> dict[str, Any]:
    """What `Overlaps` keeps of images, about a mean IoU."""
    union = rng.integers(500, 1500, (images, 19))
    shares = np.clip(miou / 100 + rng.normal(0, 0.05, union.shape), 0, 1)
    return {
        "keys": [f"{number:04d}" for number in range(images)],
        "intersection": (union * shares).astype(int).tolist(),
        "union": union.tolist(),
    }


def _write(folder: Folder, name: str, tree: Any) -> None:
    folder.write(name, json.dumps(tree, indent=1).encode())
