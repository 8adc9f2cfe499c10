"""The `advent-dist` command."""

from __future__ import annotations

import io
import logging
import os
import sys
from importlib import import_module

from advent_dist.errors import UserError
from advent_dist.interruption import interruptible, status_of
from advent_dist.printable import PrintableFormatter, printable

_COMMANDS = {
    "demo": "source-only against AdvEnt on procedural streets, from a local S3 server to a report",
    "new": "write a complete experiment for shards of one's own, to edit and to train",
    "import-advent": "write an experiment file from one of the published ADVENT code's configs",
    "train": "train an experiment on Ray Train",
    "evaluate": "score trained runs, or the ensemble of several, on labelled shards",
    "predict": "segment an image or folders of them",
    "serve": "answer images that are sent by HTTP, on Ray Serve",
    "pseudo-label": "label a target's shards by what a run sees in them, for the next training",
    "export": "write a trained model for others: a card, weights, ONNX, torch.export",
    "report": "write the page of a run again, or one that compares several",
    "shards": "build, check, describe and show shards",
    "status": "how far the runs in a storage folder are, and how well they do",
    "doctor": "find what would stop or slow a run, here or on every node of a cluster",
}
"""Name -> one-line promise; each is `main` of the module of that name, with _ for -, in
`advent_dist.commands`."""


def main() -> None:
    """Run the command line and exit.

    0 done, 1 the user has something to mend, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As on stderr: a terminal that lacks a name's letters is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PrintableFormatter())
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line.

    Returns:
        The exit status.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(_usage())
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in _COMMANDS:
        sys.stderr.write(f"advent-dist: there is no command {name!r}\n\n{_usage()}")
        return 2
    try:
        with interruptible():
            return _run(name, rest)
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"\nadvent-dist {name}: stopped\n")
        return status_of(interrupt)


def _run(name: str, rest: list[str]) -> int:
    try:
        # Imported when asked for: PyTorch and Ray take seconds, and a message should not.
        module = import_module(f"advent_dist.commands.{name.replace('-', '_')}")
        status: int = module.main(rest)
    except UserError as error:
        if os.environ.get("ADVENT_DIST_TRACEBACK"):
            raise
        sys.stderr.write(printable(f"advent-dist {name}: {error}\n"))
        return 1
    return status


def _usage() -> str:
    lines = [f"  {name:15}{promise}" for name, promise in _COMMANDS.items()]
    return "\n".join(["usage: advent-dist COMMAND [--help] ...", "", *lines, ""])
