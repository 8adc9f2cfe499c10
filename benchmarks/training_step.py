"""What does a step of training cost over a loop by hand, and how much memory does it take?

    python benchmarks/training_step.py [--rounds 3] [--json FILE]

AdvEnt with the paper's network and both discriminators, on one image of each domain. Each loop is a
process of its own on one core; rounds of all loops follow each other, and each ratio is the median
over the rounds.
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

QUESTION = "What does a step of training cost over a loop by hand, and how much memory?"
RESULTS = Path(__file__).parent / "results" / "training_step.json"
LOOPS = {
    "deepspeed": "ours, DeepSpeed engines",
    "local": "ours, plain engines",
    "plain": "by hand, one backward pass a domain (published)",
    "together": "by hand, one backward pass over both domains",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How often, and where the result goes."""

    rounds: int = 3
    """Times that every loop runs."""

    json: Path | None = RESULTS
    """Where the result goes."""


def main() -> None:
    """Run all loops in turn and print the tables."""
    options = tyro.cli(Options)
    done: dict[str, list[dict[str, float]]] = {loop: [] for loop in LOOPS}
    for _ in range(options.rounds):
        for loop, runs in done.items():
            runs.append(_run(loop))
            sys.stderr.write(f"{LOOPS[loop]:50} {runs[-1]}\n")
    rows: list[dict[str, Any]] = [
        {
            "loop": LOOPS[loop],
            "seconds": statistics.median(run["seconds"] for run in runs),
            "peak_mb": statistics.median(run["peak_mb"] for run in runs),
            "all": runs,
        }
        for loop, runs in done.items()
    ]

    def ratio(what: str, one: str, other: str) -> float:
        pairs = zip(done[one], done[other], strict=True)
        return statistics.median(a[what] / b[what] for a, b in pairs)

    ratios = {
        "time of a step, DeepSpeed engines / by hand": ratio("seconds", "deepspeed", "plain"),
        "time of a step, plain engines / by hand": ratio("seconds", "local", "plain"),
        "memory of a step, DeepSpeed engines / by hand": ratio("peak_mb", "deepspeed", "plain"),
        "memory of a step, both domains / one by one": ratio("peak_mb", "together", "plain"),
    }
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)
    print("| loop | s a step | MB |\n| --- | ---: | ---: |")
    for row in rows:
        print(f"| {row['loop']} | {row['seconds']:.2f} | {row['peak_mb']:.0f} |")
    print("\n| ratio | |\n| --- | ---: |")
    for name, value in ratios.items():
        print(f"| {name} | {value:.2f} |")


def _run(loop: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.pipelines.training_step", "--by", loop]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
    )
    if done.returncode:
        raise SystemExit(f"{loop} failed:\n{done.stderr}")
    line = next(line for line in done.stdout.splitlines() if line.startswith('{"seconds"'))
    result: dict[str, float] = json.loads(line)
    return result


if __name__ == "__main__":
    main()
