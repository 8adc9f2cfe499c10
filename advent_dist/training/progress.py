"""How far a run is and how well it did: the loop counts it, checkpoint and summary keep it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The evaluations at one step, as JSON-able dicts (see `evaluate.Evaluation.to_json`)."""

    step: int
    """Optimiser steps done."""

    target: dict[str, Any]
    """On `data.evaluation`."""

    source: dict[str, Any] | None = None
    """On `data.source_evaluation`."""

    @property
    def target_miou(self) -> float:
        """The number that `best` is chosen by, in percent."""
        return float(self.target["miou"])

    def row(self) -> dict[str, float]:
        """The metrics of a report."""
        row = {
            "target_miou": self.target_miou,
            "target_entropy": float(self.target["mean_entropy"]),
            "target_live_classes": float(self.target["live_classes"]),
            "criterion/entropy": float(self.target["mean_entropy"]),
        }
        for name in ("information_maximisation", "snd", "diversity"):
            row[f"criterion/{name}"] = float(self.target[name])
        row["evaluation_skipped_samples"] = float(self.target.get("skipped_samples", 0))
        if self.source is not None:
            row["source_miou"] = float(self.source["miou"])
        return row


@dataclass(kw_only=True)
class Progress:
    """The state of a run that is no tensor."""

    step: int = 0
    """Optimiser steps done."""

    last: Scores | None = None
    """The latest evaluation."""

    best: Scores | None = None
    """The evaluation of highest target mIoU; of equal ones the latest, as Ray keeps checkpoints."""

    def score(self, scores: Scores) -> bool:
        """Note an evaluation; whether it is the best so far."""
        self.last = scores
        is_best = self.best is None or scores.target_miou >= self.best.target_miou
        if is_best:
            self.best = scores
        return is_best

    def to_json(self) -> dict[str, Any]:
        """As a JSON-able dict."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Progress:
        """What `to_json` wrote."""
        last, best = (Scores(**tree[name]) if tree[name] else None for name in ("last", "best"))
        return cls(step=tree["step"], last=last, best=best)
