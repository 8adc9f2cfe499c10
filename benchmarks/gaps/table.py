"""Results as tables: what each method is worth, and which share of the gap it closes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from advent_dist.config.selection import DEFAULT, MEASURES
from advent_dist.evaluation.paired import compare_counts
from advent_dist.evaluation.verdict import interval
from advent_dist.training.progress import Progress, Scores
from gaps.recipes import ENCODERS, METHODS
from gaps.tasks import TASKS

Result = dict[str, Any]
"""One training: task, encoder, method, seed, steps, its snapshots, the last one last; `values` that
are not the recipe's, if any; and `budget`, what it has in common with those that it stands beside:
its steps or its seconds."""

Trainings = dict[str, list[dict[str, Any]]]
"""Label -> rows of its trainings, a seed each."""

SNAPSHOTS: dict[str, Callable[[list[dict[str, Any]]], dict[str, Any]]] = {
    "last": lambda snapshots: snapshots[-1],
    "best": lambda snapshots: max(snapshots, key=lambda one: float(one["tune"]["miou"])),
    "label-free": lambda snapshots: _label_free(snapshots),
}
"""How a training's snapshot is chosen: the last, by the labels of `tune`, or without labels."""

FIRST = "400 steps"
"""The budget whose tables come first."""

_NAMES = {
    "source_only": "source-only",
    "minent": "MinEnt",
    "advent": "AdvEnt",
    "dacs": "DACS",
    "daformer": "DAFormer",
    "mic_dacs": "MIC on DACS",
    "mic": "MIC on DAFormer",
    "oracle": "oracle",
}


def _label_free(snapshots: list[dict[str, Any]]) -> dict[str, Any]:
    """What a run without target labels would choose, its guard against collapse included."""
    progress = Progress(selected_by=DEFAULT)
    for place, snapshot in enumerate(snapshots):
        row = snapshot["label_free"]
        target = {one.number: row[name] for name, one in MEASURES.items() if name in row}
        target["live_classes"] = row["target_live_classes"]
        progress.score(Scores(step=place, target=target))
    assert progress.best is not None
    return snapshots[progress.best.step]


def rows(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Held-out scores of each training's chosen snapshots, and the time that it took."""
    return [
        {
            **{
                name: one[name] for name in ("task", "encoder", "method", "seed", "steps", "budget")
            },
            "values": one.get("values", ""),
            "seconds": round(one["snapshots"][-1]["seconds"], 1),
            **{
                which: {
                    "step": (found := choose(one["snapshots"]))["step"],
                    "miou": found["held_out"]["miou"],
                    "per_class": found["held_out"]["per_class"],
                }
                for which, choose in SNAPSHOTS.items()
            },
        }
        for one in results
    ]


def ratios(results: list[Result]) -> dict[str, float]:
    """Name -> share of the gap that is closed: by the last snapshots, mean over the seeds.

    `best` is the largest share of the methods that have as many seeds as source-only and the
    oracle.
    """
    found = {}
    for (task, encoder, budget), methods in _grouped(rows(results)).items():
        shares = {
            label: share
            for label, of_seeds in methods.items()
            # With other values they are bounds all the same, and no method that closes anything.
            if label.partition(" ")[0] not in ("source_only", "oracle")
            and (share := _closed(methods, label)) is not None
        }
        most = min(len(methods.get(bound, [])) for bound in ("source_only", "oracle"))
        comparable = [share for label, share in shares.items() if len(methods[label]) >= most]
        if comparable:
            shares = {"best": max(comparable), **shares}
        found |= {
            f"{task} {label} gap closed, {encoder}, {budget}": share
            for label, share in shares.items()
        }
    return found


def table(results: list[Result]) -> str:
    """Markdown: of each task, encoder and budget a table.

    Gains over source-only are those of the last snapshots, with their 95 % interval over images
    and, where there are several of both, over seeds. See `_bounds` for what they are over.
    """
    sections = []
    for (task, encoder, budget), methods in _grouped(rows(results)).items():
        of_key = [
            one
            for one in results
            if (one["task"], one["encoder"], one["budget"]) == (task, encoder, budget)
        ]
        classes = list(next(iter(methods.values()))[0]["last"]["per_class"])
        lines = [
            f"**{task}, {TASKS[task].title}; {encoder}, {budget}**",
            "",
            "| method | seeds | steps | s | "
            + " | ".join(SNAPSHOTS)
            + " | gain (95 %) | gap closed | "
            + " | ".join(classes)
            + " |",
            "| --- |" + " ---: |" * (len(SNAPSHOTS) + 5 + len(classes)),
        ]
        for method, of_seeds in methods.items():
            # Hosts differ, and what else they do makes a training slower: the least says the most.
            seconds = min(one["seconds"] for one in of_seeds)
            steps = statistics.mean(one["steps"] for one in of_seeds)
            cells = [_title(method), str(len(of_seeds)), f"{steps:.0f}", f"{seconds:.0f}"]
            cells += [_with_spread([one[which]["miou"] for one in of_seeds]) for which in SNAPSHOTS]
            cells.append(_gain(of_key, methods, method))
            share = _closed(methods, method)
            cells.append("" if share is None else f"{100 * share:.0f} %")
            cells += [
                _mean_of(one["last"]["per_class"][name] for one in of_seeds) for name in classes
            ]
            lines.append(f"| {' | '.join(cells)} |")
        sections.append("\n".join([*lines, ""]))
    return "\n".join(sections)


def _gain(of_key: list[Result], methods: Trainings, label: str) -> str:
    """What the last snapshots gain over source-only's of the same seeds, with the 95 % interval."""
    low, _ = _bounds(methods, label)
    if low in (None, label):
        return ""
    theirs, ours = (
        {
            one["seed"]: _overlaps(one["snapshots"][-1]["held_out"])
            for one in of_key
            if _label(one) == name
        }
        for name in (low, label)
    )
    seeds = sorted(theirs.keys() & ours.keys())
    if not seeds:
        return ""
    sides = np.array([[side[seed] for seed in seeds] for side in (ours, theirs)])
    gain = compare_counts(sides, [str(number) for number in range(sides.shape[-1])]).miou
    return f"{gain.difference:+.1f} ({interval(gain)})"


def _overlaps(held_out: dict[str, Any]) -> np.ndarray:
    """Intersection and union, [2, images, C]."""
    return np.array([held_out["intersection"], held_out["union"]], np.int64)


def _grouped(found: list[dict[str, Any]]) -> dict[tuple[str, str, str], Trainings]:
    """(task, encoder, budget) -> label -> its trainings, in the order of the tables."""
    keys = sorted(
        {(one["task"], one["encoder"], one["budget"]) for one in found},
        key=lambda key: (key[0], *_place(key[2]), ENCODERS.index(key[1])),
    )
    grouped = {}
    for key in keys:
        of_key = [one for one in found if (one["task"], one["encoder"], one["budget"]) == key]
        grouped[key] = {
            label: [one for one in of_key if _label(one) == label]
            for label in sorted(map(_label, of_key), key=_order)
        }
    return grouped


def _place(budget: str) -> tuple[bool, bool, int]:
    """Of each task the longest list comes first, and equal seconds after equal steps."""
    number, unit = budget.split()
    return budget != FIRST, unit == "s", int(number)


def _label(one: dict[str, Any]) -> str:
    """The method, and the values that are not its recipe's."""
    return f"{one['method']} {one.get('values', '')}".strip()


def _order(label: str) -> tuple[int, str]:
    return METHODS.index(label.partition(" ")[0]), label


def _title(label: str) -> str:
    method, _, values = label.partition(" ")
    return f"{_NAMES[method]}, `{values}`" if values else _NAMES[method]


_BOUNDS = ("source_only", "oracle")

_SHARED = ("model.", "optimizer.", "data.", "method.logit_adjustment=")
"""How values begin that training without adaptation has, too."""


def _bounds(methods: Trainings, label: str) -> tuple[str | None, str | None]:
    """The labels of the source-only and oracle trainings that a method is held against.

    With values that these could have as well they are those with the same values, or those without,
    whichever are better, so that no learning rate passes for adaptation. Another network has bounds
    of its own alone. What was not trained is None. The bounds themselves are held against those of
    the recipe, whatever values they have.
    """
    method, _, values = label.partition(" ")
    if method in _BOUNDS:
        return "source_only", "oracle"
    shared = ", ".join(one for one in values.split(", ") if one.startswith(_SHARED))
    low, high = (f"{bound} {shared}".strip() for bound in _BOUNDS)
    if low not in methods:
        return None, None
    if "model." in shared:
        return low, high if high in methods else None
    seeds = {one["seed"] for one in methods[label]}

    def last(name: str) -> float:
        found = [one["last"]["miou"] for one in methods.get(name, []) if one["seed"] in seeds]
        return statistics.mean(found) if found else -1.0

    return max("source_only", low, key=last), max("oracle", high, key=last)


def _closed(methods: Trainings, label: str) -> float | None:
    """Share of the gap between source-only and the oracle, by the seeds that all have, if any."""
    names = (*_bounds(methods, label), label)
    sides = [
        {one["seed"]: one["last"]["miou"] for one in methods.get(name or "", [])} for name in names
    ]
    seeds = set.intersection(*map(set, sides))
    if not seeds:
        return None
    low, high, value = (statistics.mean(side[seed] for seed in seeds) for side in sides)
    return (value - low) / (high - low)


def _with_spread(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


def _mean_of(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.mean(known):.0f}" if known else "-"
