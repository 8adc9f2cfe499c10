"""`advent-dist status STORAGE`: the runs there, how far they are, and how well they do."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from advent_dist.config.selection import MEASURES
from advent_dist.errors import ConfigError
from advent_dist.printable import plain_console, printable

if TYPE_CHECKING:
    from advent_dist.runs.status import RunStatus, State

_WIDTH = 100
_STYLES: dict[State, str] = {
    "finished": "green",
    "going": "cyan",
    "stale": "yellow",
    "interrupted": "yellow",
    "stopped": "dim",
    "collapsed": "red",
    "failed": "red",
}


@dataclass(frozen=True, kw_only=True)
class Status:
    """Tell where the runs below a storage folder stand, the trials of sweeps among them."""

    storage: Annotated[str, tyro.conf.Positional]
    """Local folder or s3:// URL, as in `run.storage`; or a run's own folder."""

    stale_after_s: float = 1800.0
    """Seconds without a report after which a run that is going counts as stale."""

    json: bool = False
    """Print JSON instead of a table."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring.

    Raises:
        ConfigError: there is no run, and no JSON is asked for.
    """
    options = tyro.cli(Status, args=arguments, prog="advent-dist status")
    # PyTorch: seconds of imports, which `--help` should not take.
    from advent_dist.runs.status import find_runs

    runs = find_runs(options.storage, options.stale_after_s)
    if options.json:
        sys.stdout.write(json.dumps([asdict(run) for run in runs], indent=2) + "\n")
        return 0
    if not runs:
        raise ConfigError(f"no run below {options.storage}; give what run.storage named")
    console = plain_console(width=min(Console().width, _WIDTH))
    console.print(_table(runs))
    return 0


def _table(runs: list[RunStatus]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("run", overflow="fold")
    for name in ("state", "step", "last report", "checkpoint", "last", "best", "chosen by"):
        table.add_column(name, justify="right")
    for run in runs:
        checkpoint = "-"
        if run.checkpoint_step is not None:
            checkpoint = f"step {run.checkpoint_step}, {age(run.checkpoint_age_s)}"
        table.add_row(
            printable(run.name),
            Text(run.state, style=_STYLES[run.state]),
            f"{run.step} / {run.steps}",
            age(run.silent_s),
            checkpoint,
            *_values(run),
        )
    return table


def age(seconds: float | None) -> str:
    """Seconds in the largest unit that leaves at least one, as in `59s ago` and `12m ago`."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit} ago"
    return f"{seconds:.0f}s ago"


def _values(run: RunStatus) -> tuple[str, str, str]:
    """Last and best value of what chooses, and its name."""
    if run.selected_by is None:
        return "-", "-", "-"
    measure = MEASURES[run.selected_by]
    return measure.text(run.last), measure.text(run.best), measure.short
