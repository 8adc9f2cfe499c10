"""The parameters that a sweep varies, as axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tune.report.record import Sweep, Trial


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One axis of the space."""

    path: str
    """Dotted config path."""

    label: str
    """Short name."""

    kind: str
    """`uniform`, `loguniform`, `ratio` (log-uniform, times another parameter) or `choice`."""

    of: str | None = None
    """Path of the parameter that a ratio is of."""

    choices: tuple[Any, ...] = ()
    """Values of a choice."""

    @property
    def is_log(self) -> bool:
        """Whether its axis is logarithmic."""
        return self.kind in ("loguniform", "ratio")

    @property
    def is_number(self) -> bool:
        """Whether it has an order and distances."""
        return self.kind != "choice"

    def value(self, trial: Trial) -> Any:
        """A trial's value as it was drawn, a ratio not yet multiplied; None where it has none."""
        value = trial.values.get(self.path)
        if self.of is None or value is None:
            return value
        base = trial.values.get(self.of)
        return value / base if base else None

    def position(self, trial: Trial) -> float | None:
        """A trial's place on the axis: the value, its logarithm, or the number of the choice."""
        value = self.value(trial)
        if value is None:
            return None
        if not self.is_number:
            return float(self.choices.index(value)) if value in self.choices else None
        if self.is_log:
            return math.log10(value) if value > 0 else None
        return float(value)


def parameters_of(sweep: Sweep) -> list[Parameter]:
    """The axes in the order of the space."""
    names = _labels(list(sweep.space))
    parameters = []
    for path, distribution in sweep.space.items():
        of = distribution.get("of")
        parameters.append(
            Parameter(
                path=path,
                label=names[path] if of is None else f"{names[path]} / {names.get(of, of)}",
                kind=str(distribution.get("kind")),
                of=of,
                choices=tuple(distribution.get("values", ())),
            )
        )
    return parameters


def varied(parameters: Sequence[Parameter], trials: Sequence[Trial]) -> list[Parameter]:
    """Those parameters that take more than one value among the trials."""
    return [p for p in parameters if len({p.position(trial) for trial in trials} - {None}) > 1]


def _labels(paths: list[str]) -> dict[str, str]:
    """Path -> its last part, or all of it where two share that."""
    short = [path.rsplit(".", 1)[-1] for path in paths]
    return {
        path: path if short.count(name) > 1 else name
        for path, name in zip(paths, short, strict=True)
    }


def shown(value: Any) -> str:
    """A value as short text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
