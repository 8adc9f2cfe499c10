"""The number that a sweep decides by: smoothed against noise, guarded against collapse."""

from __future__ import annotations

import difflib
import math
import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

from advent_dist.config import Experiment
from advent_dist.config.selection import ACCURACIES, MEASURES, is_collapsed
from advent_dist.errors import ConfigError

_NO_ERROR, _SETTLED = 0.01 * math.log(2), 3
"""A discriminator's loss, a hundredth of that of a coin, that ends a trial after so many
evaluations in a row."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a trial is worth, and when it is worth nothing."""

    name: str
    """Key of `config.selection.MEASURES`."""

    smoothing: int
    """Evaluations, the latest ones, whose median counts."""

    collapse_share: float
    """A trial whose live classes fall below this share of the most it had has collapsed."""

    def __post_init__(self) -> None:
        if self.name not in MEASURES:
            near = difflib.get_close_matches(self.name, MEASURES, n=2, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {[*MEASURES]}"
            raise ConfigError(f"--metric {self.name}: there is no such metric; {hint}")
        if self.smoothing < 1:
            raise ConfigError(f"--smoothing {self.smoothing}: give at least 1 evaluation")
        if not 0 <= self.collapse_share < 1:
            raise ConfigError(f"--collapse-share {self.collapse_share}: give 0 <= share < 1")

    @property
    def mode(self) -> str:
        """`max` or `min`."""
        return MEASURES[self.name].mode

    def check(self, experiment: Experiment) -> None:
        """Refuse a metric that the experiment's evaluations do not have.

        Raises:
            ConfigError: its network has none such, or it needs labelled source images to evaluate
                on, and there are none.
        """
        accuracy = ACCURACIES[experiment.network]
        known = (accuracy.target, accuracy.source, *accuracy.without)
        if self.name not in known:
            raise ConfigError(
                f"--metric {self.name}: {experiment.name} trains a {experiment.network}, which has "
                f"no such metric; choose from {', '.join(known)}"
            )
        if self.name == accuracy.source and experiment.data.source_evaluation is None:
            raise ConfigError(
                f"--metric {self.name}: {experiment.name} does not report it; set "
                "data.source_evaluation to a folder of labelled source images"
            )

    def is_better(self, one: float, other: float | None) -> bool:
        """Whether a score beats another; anything beats none."""
        if other is None:
            return True
        return MEASURES[self.name].is_better(one, other)

    def to_json(self) -> dict[str, Any]:
        """As a JSON-able dict."""
        return {**asdict(self), "mode": self.mode}


@dataclass
class Judge:
    """Looks at a trial's evaluations in their order."""

    metric: Metric
    _values: list[float] = field(default_factory=list)
    _most_live: float = 0.0
    _settled: int = 0

    def sees(self, row: dict[str, Any]) -> None:
        """Add `score` to a row that has an evaluation; leave others as they are."""
        if "target_live_classes" not in row:
            return
        value = row[self.metric.name]
        self._values = [*self._values, value][-self.metric.smoothing :]
        row["score"] = statistics.median(self._values)
        self._most_live = max(self._most_live, row["target_live_classes"])
        self._settled = self._settled + 1 if _error_of_discriminators(row) < _NO_ERROR else 0

    def collapse(self, row: dict[str, Any]) -> str | None:
        """Why the trial is worth nothing from `row` on, if it is."""
        if "target_live_classes" not in row:
            return None
        if not math.isfinite(row["score"]):
            return f"{self.metric.name} = {row[self.metric.name]} at step {row['step']}"
        live = row["target_live_classes"]
        if is_collapsed(live, self._most_live, self.metric.collapse_share):
            return (
                f"at step {row['step']} only {live:.0f} of {self._most_live:.0f} classes "
                "are still predicted"
            )
        if self.metric.collapse_share and self._settled >= _SETTLED:
            return (
                f"at step {row['step']} the discriminator has told the domains apart without error "
                f"for {_SETTLED} evaluations: the network has nothing to learn from it"
            )
        return None


def _error_of_discriminators(row: dict[str, Any]) -> float:
    """The sum of both domains' halves, the mean over the discriminators of a main head's maps.

    Infinite where there is none.
    """
    halves = [
        value
        for name, value in row.items()
        if name.startswith("loss/discriminator") and "_aux" not in name
    ]
    return 2 * statistics.fmean(halves) if halves else math.inf
