"""How much more do two ranks do than one, and what do they send each other?

    python benchmarks/ranks.py [--rounds 3] [--steps 2] [--scale 1] [--json FILE]

AdvEnt with the paper's network and both discriminators, one image of each domain a rank, 480x270
and 384x192, on DeepSpeed and gloo, one thread a rank. One rank, two, and two trainings of one rank
at the same time take turns, and the ratios of their samples a second are medians over the rounds;
they need two cores that nobody else uses. The two trainings send each other nothing: what they lack
of twice one is the machine's, whose cores share caches and memory, and not the product's.

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
    gains: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        seconds = {
            ways: max(one["seconds"] for one in _ranks(*ways, stage=1, options=options))
            for ways in ((1, 1), (2, 1), (1, 2))
        }
        rows += [
            {"ranks": ranks, "trainings": trainings, "stage": 1, "seconds": found}
            for (ranks, trainings), found in seconds.items()
        ]
        alone, both, apart = seconds.values()
        for name, gain in (
            ("2 ranks / 1", 2 * alone / both),
            ("2 trainings / 1", 2 * alone / apart),
            ("2 ranks / 2 trainings", apart / both),
        ):
            gains.setdefault(f"samples/s, {name}", []).append(gain)
    ratios = {name: statistics.median(found) for name, found in gains.items()}
    print("| trainings | ranks of each | s a step | pairs/s |\n| ---: | ---: | ---: | ---: |")
    for ranks, trainings in ((1, 1), (2, 1), (1, 2)):
        one = statistics.median(
            row["seconds"] for row in rows if (row["ranks"], row["trainings"]) == (ranks, trainings)
        )
        print(f"| {trainings} | {ranks} | {one:.2f} | {ranks * trainings / one:.3f} |")
    print("\n| ratio | | of a round |\n| --- | ---: | ---: |")
    for name, found in gains.items():
        print(f"| {name} | {ratios[name]:.2f} | {min(found):.2f} to {max(found):.2f} |")
    print("\n| ZeRO | MB a step | at least | ratio |\n| ---: | ---: | ---: | ---: |")
    for stage in STAGES:
        rank = _ranks(2, 1, stage=stage, options=options)[0]
        sent, least = rank["bytes"], least_bytes(rank["parameters"], 2, stage)
        ratios[f"bytes of a step, ZeRO-{stage} / least"] = sent / least
        rows.append({"ranks": 2, "stage": stage, "bytes": sent, "least_bytes": least})
        print(f"| {stage} | {sent / 1e6:.0f} | {least / 1e6:.0f} | {sent / least:.2f} |")
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


def _ranks(size: int, trainings: int, *, stage: int, options: Options) -> list[dict[str, Any]]:
    """What all ranks have found, of some trainings at the same time."""
    running = [rank for _ in range(trainings) for rank in _start(size, stage, options)]
    said = [process.communicate() for process in running]
    for process, (_, errors) in zip(running, said, strict=True):
        if process.returncode:
            raise SystemExit(f"a rank failed:\n{errors}")
    return [json.loads(out.strip().splitlines()[-1]) for out, _ in said]


def _start(size: int, stage: int, options: Options) -> list[subprocess.Popen[str]]:
    """The ranks of one training."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.pipelines.rank", "--size", str(size)]
    command += ["--port", str(port), "--stage", str(stage)]
    command += ["--steps", str(options.steps), "--scale", str(options.scale)]
    return [
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


if __name__ == "__main__":
    main()
