"""How far a run is and how well it did: the loop counts it, checkpoint and summary keep it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from advent_dist.config.selection import MEASURES, TARGET_MIOU, by_target_labels, is_collapsed


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The evaluations at one step, as JSON-able dicts (see `evaluate.Evaluation.to_json`)."""

    step: int
    """Optimiser steps done."""

    target: dict[str, Any]
    """On `data.evaluation`, or on images of `data.target`."""

    source: dict[str, Any] | None = None
    """On `data.source_evaluation`."""

    @property
    def live_classes(self) -> float:
        """Classes predicted on the target."""
        return float(self.target["live_classes"])

    def value(self, measure: str) -> float | None:
        """The value of a measure of `config.selection`; None where it was not evaluated."""
        evaluation = self.source if measure.startswith("source_") else self.target
        found = None if evaluation is None else evaluation.get(MEASURES[measure].number)
        return None if found is None else float(found)

    def row(self) -> dict[str, float]:
        """The metrics of a report; no accuracy without target labels."""
        values = {measure: self.value(measure) for measure in MEASURES}
        return {
            "target_entropy": float(self.target["mean_entropy"]),
            "target_live_classes": self.live_classes,
            "evaluation_skipped_samples": float(self.target.get("skipped_samples", 0)),
            **{measure: value for measure, value in values.items() if value is not None},
        }


@dataclass(kw_only=True)
class Progress:
    """The state of a run that is no tensor."""

    step: int = 0
    """Optimiser steps done."""

    selected_by: str = TARGET_MIOU
    """The measure that chooses the best evaluation; see `config.selection`."""

    most_live_classes: float = 0
    """The most classes that any evaluation saw predicted on the target."""

    last: Scores | None = None
    """The latest evaluation."""

    best: Scores | None = None
    """The best one by `selected_by`; of equal ones the latest, as Ray keeps checkpoints. Without
    target labels a collapsed one is the best only as long as there is no other."""

    def score(self, scores: Scores) -> bool:
        """Note an evaluation; whether it is the best so far."""
        self.last = scores
        self.most_live_classes = max(self.most_live_classes, scores.live_classes)
        is_best = self._is_best(scores)
        if is_best:
            self.best = scores
        return is_best

    def _is_best(self, scores: Scores) -> bool:
        highest = None if self.best is None else self.best.value(self.selected_by)
        # One that was chosen by another measure before may lack this one.
        if self.best is None or highest is None or self._is_out(self.best):
            return True
        value = scores.value(self.selected_by)
        if value is None or self._is_out(scores):
            return False
        return value == highest or MEASURES[self.selected_by].is_better(value, highest)

    def _is_out(self, scores: Scores) -> bool:
        """Whether an evaluation can't be chosen. An accuracy sees a collapse by itself."""
        collapsed = is_collapsed(scores.live_classes, self.most_live_classes)
        return collapsed and not by_target_labels(self.selected_by)

    def to_json(self) -> dict[str, Any]:
        """As a JSON-able dict."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Progress:
        """What `to_json` wrote, in this version or an earlier one."""
        last, best = (Scores(**tree[name]) if tree[name] else None for name in ("last", "best"))
        known = {name: tree[name] for name in ("selected_by", "most_live_classes") if name in tree}
        return cls(step=tree["step"], last=last, best=best, **known)
