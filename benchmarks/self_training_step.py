"""What does a step of MIC take over the forward and backward passes that it is made of?

    python benchmarks/self_training_step.py [--rounds 3] [--steps 3] [--scale 1] [--json FILE]

MIC on DAFormer's terms, EfficientNet-lite0 with DAFormer's decoder, two images of 320x240 of each
domain, colours and blur in every step. The step and its passes are processes of their own on one
thread; rounds of both follow each other, and each ratio is the median over the rounds. Times are
seconds of the CPU.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from record import keep

QUESTION = "What does a step of MIC take over its forward and backward passes?"
RESULTS = Path(__file__).parent / "results" / "self_training_step.json"
MEASURED = {"step": "MIC's step", "passes": "its passes alone"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How often, and where the result goes."""

    rounds: int = 3
    """Times that both run."""

    steps: int = 3
    """Steps of a round that are measured."""

    scale: float = 1.0
    """Factor of the images' sides; below 1 for a quick look."""

    json: Path | None = RESULTS
    """Where the result goes."""


def main() -> None:
    """Run both in turn and print the tables."""
    options = tyro.cli(Options)
    done: dict[str, list[dict[str, float]]] = {what: [] for what in MEASURED}
    for _ in range(options.rounds):
        for what, runs in done.items():
            runs.append(_run(what, options))
            sys.stderr.write(f"{MEASURED[what]:20} {runs[-1]}\n")
    rows: list[dict[str, Any]] = [
        {
            "measured": MEASURED[what],
            "seconds": statistics.median(run["seconds"] for run in runs),
            "peak_mb": statistics.median(run["peak_mb"] for run in runs),
            "all": runs,
        }
        for what, runs in done.items()
    ]
    ratios = {
        f"{name} of a step / of its passes": statistics.median(
            step[key] / passes[key]
            for step, passes in zip(done["step"], done["passes"], strict=True)
        )
        for name, key in (("time", "seconds"), ("memory", "peak_mb"))
    }
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)
    print("| measured | CPU s | MB |\n| --- | ---: | ---: |")
    for row in rows:
        print(f"| {row['measured']} | {row['seconds']:.2f} | {row['peak_mb']:.0f} |")
    print("\n| ratio | |\n| --- | ---: |")
    for name, value in ratios.items():
        print(f"| {name} | {value:.2f} |")


def _run(what: str, options: Options) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.pipelines.self_training_step", "--what", what]
    command += ["--steps", str(options.steps), "--scale", str(options.scale)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
    )
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr}")
    line = next(line for line in done.stdout.splitlines() if line.startswith('{"seconds"'))
    result: dict[str, float] = json.loads(line)
    return result


if __name__ == "__main__":
    main()
