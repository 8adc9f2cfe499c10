"""What does a step of AdvEnt cost over a loop that does what the published one does?

    python benchmarks/step.py [--steps 3] [--encoder NAME] [--json FILE]

One image of each domain, 480x270 and 384x192, both heads, two threads. All loops take their steps
in turn, in one process and from the same weights, and a ratio is the median over the steps of the
CPU seconds of all threads, which sleep while they wait; memory is that of a process for each loop.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it sees its own folder alone

from benchmarks.record import keep

QUESTION = "What does a step of AdvEnt cost over a loop that does what the published one does?"
RESULTS = Path(__file__).parent / "results"
PAPERS = "deeplab_v2"
LOOPS = {
    "published": "by hand, as published",
    "deepspeed": "ours, DeepSpeed engines",
    "plain": "ours, plain engines",
    "cheap": "ours, DeepSpeed engines, cheap activations recomputed",
    "all": "ours, DeepSpeed engines, all activations recomputed",
    "bf16": "ours, DeepSpeed engines, bf16",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which network, how often, and where the result goes."""

    steps: int = 3
    """Steps of each loop that are measured."""

    encoder: str = PAPERS
    """The paper's, or any of timm."""

    scale: float = 1.0
    """Factor of the images' sides; below 1 for a quick look."""

    memory: bool = True
    """Whether each loop also runs by itself, for its memory."""

    json: Path | None = None
    """Where the result goes; none takes results/step.json, or step_ENCODER.json for another one."""


def main() -> None:
    """Run all loops and print the tables."""
    options = tyro.cli(Options)
    found = _run(options, list(LOOPS), options.steps)
    cpu = {loop: [step["cpu"] for step in found["taken"][loop]] for loop in LOOPS}
    wall = {loop: [step["wall"] for step in found["taken"][loop]] for loop in LOOPS}
    memory = {loop: _run(options, [loop], 1)["peak_mb"] for loop in LOOPS if options.memory}
    rows: list[dict[str, Any]] = [
        {
            "loop": name,
            "cpu_seconds": statistics.median(cpu[loop]),
            "seconds": min(wall[loop]),
            "update_differs_by": found["difference"][loop],
            "peak_mb": memory.get(loop),
        }
        for loop, name in LOOPS.items()
    ]
    ratios = {}
    for loop in (name for name in LOOPS if name != "published"):
        pairs = zip(cpu[loop], cpu["published"], strict=True)
        ratios[f"time of a step, {loop} / published"] = statistics.median(a / b for a, b in pairs)
        if memory:
            ratio = memory[loop] / memory["published"]
            ratios[f"memory of a step, {loop} / published"] = ratio
    keep(options.json or _results(options.encoder), question=QUESTION, ratios=ratios, rows=rows)
    print("| loop | CPU s a step | MB | first update differs by |\n| --- | ---: | ---: | ---: |")
    for row in rows:
        size = "" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}"
        numbers = f"{row['cpu_seconds']:.2f} | {size} | {row['update_differs_by']:.0e}"
        print(f"| {row['loop']} | {numbers} |")
    print("\n| ratio | |\n| --- | ---: |")
    for name, value in ratios.items():
        print(f"| {name} | {value:.2f} |")


def _results(encoder: str) -> Path:
    """`check.py` compares with the paper's, which no other network may overwrite."""
    return RESULTS / ("step.json" if encoder == PAPERS else f"step_{encoder}.json")


def _run(options: Options, loops: Sequence[str], steps: int) -> dict[str, Any]:
    """What `pipelines.step` finds."""
    sizes = {"source": (480, 270), "target": (384, 192)}
    command = [sys.executable, "-m", "benchmarks.pipelines.step", "--by", *loops]
    command += ["--steps", str(steps), "--encoder", options.encoder]
    for domain, size in sizes.items():
        command += [f"--{domain}-size", *(str(round(side * options.scale)) for side in size)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
    )
    if done.returncode:
        raise SystemExit(f"{', '.join(loops)} failed:\n{done.stderr}")
    line = next(line for line in done.stdout.splitlines() if line.startswith('{"taken"'))
    result: dict[str, Any] = json.loads(line)
    return result


if __name__ == "__main__":
    main()
