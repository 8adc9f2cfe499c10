"""How a trial looks in the plots: the same colour and mark everywhere."""

from __future__ import annotations

import html
from dataclasses import dataclass

from advent_dist.report.drawing import COLOURS, NEUTRAL
from tune.report.choice import best_trial
from tune.report.parameters import parameters_of, shown
from tune.report.record import Sweep, Trial

_BLUE, _ORANGE, _GREEN, _RED, _VIOLET, _OLIVE, *_ = COLOURS


@dataclass(frozen=True, kw_only=True)
class Look:
    """Of one kind of trial."""

    title: str
    """In the legend."""

    colour: str
    """Of line and mark."""

    symbol: str
    """Mark where a trial ends, by plotly's name."""

    width: float = 1.5
    """Of the line, in pixels."""

    dash: str = "solid"
    """Of the line, by plotly's name."""

    opacity: float = 1.0
    """0..1."""


_STATES = {
    "pending": Look(title="pending", colour=NEUTRAL, symbol="circle-open"),
    "stopped": Look(title="stopped early", colour=NEUTRAL, symbol="square", opacity=0.8),
    "collapsed": Look(title="collapsed", colour=_ORANGE, symbol="triangle-down", dash="dot"),
    "failed": Look(title="failed", colour=_OLIVE, symbol="x", dash="dot"),
    "interrupted": Look(title="interrupted", colour=_GREEN, symbol="x-open", dash="dot"),
    "running": Look(title="running", colour=_GREEN, symbol="circle-open"),
    "finished": Look(title="finished", colour=_BLUE, symbol="circle"),
}
_PUBLISHED = Look(title="published point", colour=_VIOLET, symbol="diamond", width=2.5, dash="dash")
_BEST = Look(title="best found", colour=_RED, symbol="star", width=3.5)


def looks_of(sweep: Sweep) -> list[tuple[Look, list[Trial]]]:
    """The kinds of trials that there are, each with its trials; what matters most comes last."""
    best = best_trial(sweep)
    kinds: dict[Look, list[Trial]] = {look: [] for look in (*_STATES.values(), _PUBLISHED, _BEST)}
    for trial in sweep.trials:
        if best is not None and trial.id == best.id:
            kinds[_BEST].append(trial)
        else:
            kinds[_PUBLISHED if trial.published else _STATES[trial.state]].append(trial)
    return [(look, trials) for look, trials in kinds.items() if trials]


def hover(sweep: Sweep, trial: Trial) -> str:
    """What is shown beside the pointer, in plotly's HTML."""
    lines = [f"<b>{safe(trial.id)}</b> {safe(trial.state)}"]
    lines += [
        f"{safe(parameter.label)} = {safe(shown(parameter.value(trial)))}"
        for parameter in parameters_of(sweep)
    ]
    score = "none yet" if trial.score is None else f"{trial.score:.4g}"
    lines.append(f"score {score} after {trial.steps} steps")
    return "<br>".join(lines)


def safe(text: str) -> str:
    """Text of the user's for plotly, which reads it as HTML and fills in what %{...} names."""
    return html.escape(text).replace("%{", "%&#123;")
