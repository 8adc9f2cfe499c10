"""How much more do two ranks do than one, and what do they send each other?

    python benchmarks/ranks.py [--rounds 3] [--steps 2] [--scale 1] [--json FILE]

AdvEnt with the paper's network and both discriminators, one image of each domain a rank, 480x270
and 384x192, on DeepSpeed and gloo, one thread a rank. One rank and two take turns, and the ratio of
their samples a second is the median over the rounds; it needs two cores that nobody else uses.

Bytes are those of the loopback, which nobody else may use either. They stand beside the least that
ranks have to send: N of them reduce their gradients, each to who owns a part, and gather what comes
of it, (N - 1) times their size each; ZeRO-3 gathers the segmenter's weights once more, for the
backward pass.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from record import keep

QUESTION = "How much more do two ranks do than one, and what do they send each other?"
RESULTS = Path(__file__).parent / "results" / "ranks.json"
STAGES = (0, 1, 2, 3)
_FLOAT = 4
"""Bytes."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How often, and where the result goes."""

    rounds: int = 3
    """Times that one rank and two take their steps."""

    steps: int = 2
    """Steps of each that are measured, after a first one that is not."""

    scale: float = 1.0
    """Factor of the images' sides; below 1 for a quick look."""

    json: Path | None = RESULTS
    """Where the result goes."""


def main() -> None:
    """Measure, and print the tables."""
    options = tyro.cli(Options)
    rows: list[dict[str, Any]] = []
    gains = []
    for _ in range(options.rounds):
        alone, both = (_ranks(size, 1, options) for size in (1, 2))
        gains.append(2 * alone["seconds"] / both["seconds"])
        for size, found in ((1, alone), (2, both)):
            rows.append({"ranks": size, "stage": 1, "seconds": found["seconds"]})
    ratios = {"samples/s, 2 ranks / 1": statistics.median(gains)}
    seconds = {
        size: statistics.median(row["seconds"] for row in rows if row["ranks"] == size)
        for size in (1, 2)
    }
    print("| ranks | s a step | pairs/s |\n| ---: | ---: | ---: |")
    for size, one in seconds.items():
        print(f"| {size} | {one:.2f} | {size / one:.3f} |")
    print(f"\nsamples/s, 2 ranks / 1: {ratios['samples/s, 2 ranks / 1']:.2f}", end=" ")
    print(f"({min(gains):.2f} to {max(gains):.2f})")
    print("\n| ZeRO | MB a step | at least | ratio |\n| ---: | ---: | ---: | ---: |")
    for stage in STAGES:
        found = _ranks(2, stage, options)
        least = least_bytes(found["parameters"], 2, stage)
        ratios[f"bytes of a step, ZeRO-{stage} / least"] = found["bytes"] / least
        rows.append({"ranks": 2, "stage": stage, "bytes": found["bytes"], "least_bytes": least})
        print(f"| {stage} | {found['bytes'] / 1e6:.0f} | {least / 1e6:.0f} ", end="")
        print(f"| {found['bytes'] / least:.2f} |")
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)


def least_bytes(parameters: dict[str, int], ranks: int, stage: int) -> int:
    """What all ranks together have to send in a step.

    Args:
        parameters: Trained ones of each network, in fp32.
        ranks: How many.
        stage: ZeRO stage of the segmenter; the discriminators have none.
    """
    passes = {name: 3 if stage == 3 and name == "segmenter" else 2 for name in parameters}
    return sum(_FLOAT * (ranks - 1) * passes[name] * count for name, count in parameters.items())


def _ranks(size: int, stage: int, options: Options) -> dict[str, Any]:
    """What the slowest of some ranks has found."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.pipelines.rank", "--size", str(size)]
    command += ["--port", str(port), "--stage", str(stage)]
    command += ["--steps", str(options.steps), "--scale", str(options.scale)]
    running = [
        subprocess.Popen(
            [*command, "--rank", str(rank)],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    said = [process.communicate() for process in running]
    for process, (_, errors) in zip(running, said, strict=True):
        if process.returncode:
            raise SystemExit(f"a rank failed:\n{errors}")
    found = [json.loads(out.strip().splitlines()[-1]) for out, _ in said]
    slowest: dict[str, Any] = max(found, key=lambda one: one["seconds"])
    return slowest


if __name__ == "__main__":
    main()
