"""`advent-dist import-advent CONFIG.yml`: one of ADVENT's configs as an experiment file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from advent_dist.errors import ConfigError
from advent_dist.printable import printable


@dataclass(frozen=True, kw_only=True)
class ImportAdvent:
    """Write an experiment file from one of the YAML files that the published ADVENT code took.

    Keys that have no counterpart are named, here and in the file. `advent-dist train FILE.py`
    trains it.
    """

    config: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CONFIG.yml")]
    """The YAML file, such as advent.yml or minent.yml."""

    out: str | None = None
    """The file that is to be; none takes the config's name. A file that is there is kept."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    asked = tyro.cli(ImportAdvent, args=arguments, prog="advent-dist import-advent")
    # Every knob there is, and YAML: `--help` needs neither.
    from advent_dist.commands.own_file import free_path, write_new
    from advent_dist.experiments.advent_config import read_advent_config
    from advent_dist.experiments.advent_import import default_file, imported
    from advent_dist.experiments.file import experiment_in_text

    config = read_advent_config(asked.config)
    path = free_path(asked.out or default_file(asked.config), "--out")
    text, notes = imported(config, asked.config, str(path))
    try:
        experiment = experiment_in_text(text, str(path))
    except ConfigError as error:
        raise ConfigError(f"{asked.config}: {str(error).partition(': ')[2]}") from None
    write_new(path, text, "--out")
    for note in notes:
        sys.stderr.write(printable(f"left out: {note}\n"))
    sys.stdout.write(
        printable(f"{path}: {experiment.method.name}, {experiment.run.steps} steps\n")
        + printable(f"next: advent-dist doctor {path}; advent-dist train {path}\n")
    )
    return 0
