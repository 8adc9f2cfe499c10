"""`advent-dist report RUN [RUN ...] [--out PAGE]`: the page of a run, or one of several.

With `--data SHARDS` all are scored on the same images, and judged against the first;
detectors are scored, and not judged. One run is judged there against RUN_source_only, the same
training without adaptation.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from advent_dist.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write the page of a run again, as at its end; or one that compares several with the first.

    Pictures are drawn again where checkpoints and evaluation images can be read.
    """

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders or their URLs; a run may still be going on."""

    out: str | None = None
    """Path or URL of the page's file; replaced if it is there. None: report.html in the folder of
    the one run."""

    data: str | None = None
    """Shard folder or URL of labelled target images, on which several runs are scored and judged
    against the first, and one is judged against RUN_source_only. None: several by their own
    evaluations, without a verdict, and one on its data.held_out or data.evaluation."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring.

    Raises:
        ConfigError: a folder holds no run, there are several runs and no --out, or one and --data
            and nothing to compare it with.
        CheckpointError: the runs predict different classes.
        DataError: a file of a run is damaged, the images of --data have no labels or can't be read,
            or the page can't be written.
    """
    options = tyro.cli(Report, args=arguments, prog="advent-dist report")
    if not options.runs:
        sys.stderr.write("advent-dist report: give at least one run folder; see --help\n")
        return 2
    # Networks and loaders: seconds of imports, which `--help` should not take.
    from advent_dist.commands.run_page import comparison_page, run_page
    from advent_dist.data.store import open_file
    from advent_dist.runs.folder import REPORT_FILE, RunFolder

    runs = [RunFolder.open(url) for url in options.runs]
    if options.out is None and len(runs) > 1:
        raise ConfigError("--out: give the path or URL of a page that compares several runs")
    folder, name = (runs[0].folder, REPORT_FILE) if options.out is None else open_file(options.out)
    data = options.data
    page = run_page(runs[0], data) if len(runs) == 1 else comparison_page(runs, data)
    folder.write(name, page.encode())
    sys.stdout.write(f"{folder.url}/{name}\n")
    return 0
