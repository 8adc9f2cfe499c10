"""A whole sweep on this machine: S3 server -> shards -> eight trials -> report.

python -m tune.demo              # a quarter of an hour at most on two cores
python -m tune.demo --resume     # after Ctrl-C or a kill
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from advent_dist.data.store import local_path
from advent_dist.errors import UserError
from shards.local_s3 import local_s3
from shards.streets_data import build_streets_data
from tune.command import main as search

_NAME = "sweep-demo"
_ROOT = "s3://demo"


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Search AdvEnt's loss weights and learning rates on procedural streets."""

    out: Path = Path("runs")
    """Local folder for the sweep folder and for what the S3 server serves."""

    trials: int = 8
    """Trials, the published point among them."""

    steps: int = 180
    """Optimiser steps of a whole trial, the first ninth of them before anything is stopped."""

    resume: bool = False
    """Go on with the demo in that folder."""

    overwrite: bool = False
    """Replace the demo in that folder."""


def main(arguments: list[str]) -> int:
    """Run the demo.

    Returns:
        The exit status of the search.
    """
    options = tyro.cli(Demo, args=arguments, prog="python -m tune.demo")
    try:
        out = local_path("--out", options.out)
    except UserError as error:
        sys.stderr.write(f"tune.demo: {error}\n")
        return 1
    # The demo's S3 server is for this machine alone, and so is its Ray.
    os.environ.pop("RAY_ADDRESS", None)
    served = out / f"{_NAME}-s3"
    (served / "demo").mkdir(parents=True, exist_ok=True)
    with local_s3(served) as environment:
        os.environ |= environment
        for url in build_streets_data(_ROOT):
            sys.stderr.write(f"-- built {url}\n")
        rung = max(options.steps // 9, 1)
        flags = {
            "--experiment": "streets_advent",
            "--data": _ROOT,
            "--storage": str(out),
            "--name": _NAME,
            "--num-trials": options.trials,
            "--max-steps": options.steps,
            "--grace-steps": rung,
            "--evaluate-every": rung,
            "--workers-per-trial": 1,
            "--seeds-for-best": 1,
        }
        words = [str(word) for flag in flags.items() for word in flag]
        call = {"--resume": options.resume, "--overwrite": options.overwrite}
        again = ["python", "-m", "tune.demo", *(word for word in arguments if word not in call)]
        return search(
            ["tune/search.py", *words, *(flag for flag, given in call.items() if given)],
            resume_words=[*again, "--resume"],
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
