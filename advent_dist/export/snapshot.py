"""Which snapshot of a run is exported, how it was chosen, and how well it does."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from advent_dist.config import Experiment
from advent_dist.config.override import leaves
from advent_dist.config.selection import TARGET_MIOU, by_target_labels, chosen_by
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.export.public import public
from advent_dist.runs.folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class Score:
    """A number over one training or several."""

    mean: float
    spread: float | None
    """Standard deviation over the trainings; None of a single one."""

    def text(self, decimals: int) -> str:
        """`61.2` or `61.2 ± 0.4`."""
        spread = "" if self.spread is None else f" ± {self.spread:.{decimals}f}"
        return f"{self.mean:.{decimals}f}{spread}"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One snapshot of a run, and those of trainings by other seeds, for the spread."""

    which: str
    """`last` or `best`."""

    step: int
    """Optimiser steps that it was trained for."""

    evaluated_step: int | None
    """At which its scores were taken, which may be some steps before; None without any."""

    selected_by: str
    """The measure that chooses the best snapshot; see `config.selection`."""

    seeds: tuple[int, ...]
    """Of the trainings that the scores are over; the first one's is that of the weights."""

    evaluations: tuple[dict[str, Any], ...]
    """Of each training, `Evaluation.to_json()`; none where there was no evaluation yet."""

    @property
    def chose_by_labels(self) -> bool:
        """Whether target labels chose it."""
        return self.which == "best" and by_target_labels(self.selected_by)

    @property
    def choice(self) -> str:
        """How it was chosen, as a sentence."""
        if self.which == "last":
            return f"The last snapshot, after {self.step} steps: no score chose it."
        return (
            f"The best snapshot of its training, after {self.step} steps, by "
            f"{chosen_by(self.selected_by)}."
        )

    def scores(self, part: str | None = None) -> dict[str, Score]:
        """Name -> number over the trainings, of those that all have.

        Args:
            part: `per_class` or `subsets`; none for those that stand by themselves.
        """
        found: list[Mapping[str, Any]] = [
            one if part is None else one.get(part, {}) for one in self.evaluations
        ]
        first = found[0] if found else {}
        return {
            name: _score([one[name] for one in found])
            for name in first
            if all(_is_number(one.get(name)) for one in found)
        }


def snapshot_of(run: RunFolder, which: str, others: Sequence[RunFolder] = ()) -> Snapshot:
    """The snapshot of a run.

    Args:
        run: whose weights are exported.
        which: `last` or `best`.
        others: trainings of the same experiment by other seeds.

    Raises:
        ConfigError: another one differs in more than its seed, or not in that.
        CheckpointError: a run has no such snapshot yet.
    """
    experiments = [one.experiment() for one in (run, *others)]
    for other, experiment in zip(others, experiments[1:], strict=True):
        _require_other_seed(other.url, experiments[0], experiment)
    seeds = [one.run.seed for one in experiments]
    for other, seed in zip(others, seeds[1:], strict=True):
        if seeds.count(seed) > 1:
            raise ConfigError(
                f"--other-seeds {other.url}: run.seed = {seed} is that of another one, too; give "
                "trainings by different seeds"
            )
    summaries = [_summary(one, which) for one in (run, *others)]
    found = [one.get(which) for one in summaries]
    return Snapshot(
        which=which,
        step=int(str(summaries[0]["checkpoints"][which]).rsplit("_", 1)[-1]),
        evaluated_step=found[0]["step"] if found[0] else None,
        selected_by=summaries[0].get("selected_by", TARGET_MIOU),
        seeds=tuple(seeds),
        evaluations=tuple(one["target"] for one in found if one) if all(found) else (),
    )


def _summary(run: RunFolder, which: str) -> dict[str, Any]:
    summary = run.summary()
    if which not in summary.get("checkpoints", {}):
        raise CheckpointError(
            f"{run.url} has no {which} checkpoint yet; wait for its first evaluation"
        )
    return summary


def _require_other_seed(url: str, one: Experiment, other: Experiment) -> None:
    """Refuse a training of something else: no spread over seeds would be its."""
    same = replace(public(other), run=replace(public(other).run, seed=one.run.seed))
    trees = (dict(leaves(asdict(public(one)))), dict(leaves(asdict(same))))
    for path in {**trees[0], **trees[1]}:
        values = [tree.get(path) for tree in trees]
        if values[0] != values[1]:
            raise ConfigError(
                f"--other-seeds {url}: {path} = {values[1]!r}, but the run that is exported has "
                f"{values[0]!r}; give trainings that differ in run.seed alone"
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _score(values: list[float]) -> Score:
    spread = statistics.stdev(values) if len(values) > 1 else None
    return Score(mean=statistics.fmean(values), spread=spread)
