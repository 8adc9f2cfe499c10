"""`python -m tune.report DIR [--price-per-hour X] [--no-pictures]`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from advent_dist.errors import ConfigError, UserError
from tune.report.write import write_report


@dataclass(frozen=True, kw_only=True)
class Options:
    """Write report.html, report.md, trials.csv and trials.json into a sweep's folder."""

    folder: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    """Folder of the sweep, STORAGE/NAME, or its s3:// URL."""

    price_per_hour: float | None = None
    """Price of a GPU, or of a CPU core where trials hold no GPU; none takes the sweep's."""

    pictures: bool = True
    """Whether the data set's images are shown, which not every licence lets you pass on."""

    def __post_init__(self) -> None:
        if self.price_per_hour is not None and not 0 <= self.price_per_hour < float("inf"):
            raise ConfigError(f"--price-per-hour {self.price_per_hour}: give 0 or more")


def main(arguments: list[str]) -> int:
    """Write the report and say where it is.

    Returns:
        The exit status: 0 done, 1 the user has something to mend.
    """
    options = tyro.cli(Options, args=arguments, prog="python -m tune.report")
    try:
        url = write_report(options.folder, options.price_per_hour, pictures=options.pictures)
    except UserError as error:
        sys.stderr.write(f"tune.report: {error}\n")
        return 1
    sys.stdout.write(f"{url}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
