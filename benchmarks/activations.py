"""What does recomputing activations save of memory, and what does it cost?

    python benchmarks/activations.py [--encoders NAME ...] [--rounds 5] [--json FILE]

A forward and a backward pass of a segmenter that trains, two images of 512x256, one thread. The
three ways take turns in one process, and a ratio of times is the median over rounds of the CPU
seconds; memory is what the process has more after the forward pass, in a process for each way.
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

from benchmarks.pipelines.activations import WAYS
from benchmarks.record import keep

QUESTION = "What does recomputing activations save of memory, and what does it cost?"
RESULTS = Path(__file__).parent / "results" / "activations.json"
NAMES = {
    "none": "nothing recomputed",
    "cheap": "what is cheap",
    "all": "all of the blocks",
}
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""Has every larger tensor's memory go back to the system at once, so that it can be counted."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which networks, how often, and where the result goes."""

    encoders: tuple[str, ...] = (
        "tf_efficientnet_lite0",
        "resnet50",
        "convnext_tiny",
        "vit_small_patch14_dinov2",
        "deeplab_v2",
    )
    """The paper's, or any of timm."""

    rounds: int = 5
    """Passes of each way that are measured."""

    json: Path | None = RESULTS
    """Where the result goes."""


def main() -> None:
    """Measure all and print the table."""
    options = tyro.cli(Options)
    ratios: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    for encoder in options.encoders:
        seconds = _run(encoder, list(WAYS), options.rounds)["seconds"]
        kept = {way: _run(encoder, [way], 1, **AT_ONCE)["kept_mb"] for way in WAYS}
        for way in WAYS:
            pairs = zip(seconds[way], seconds["none"], strict=True)
            row = {
                "encoder": encoder,
                "recomputed": way,
                "kept_mb": kept[way],
                "cpu_seconds": statistics.median(seconds[way]),
                "time": statistics.median(ours / plain for ours, plain in pairs),
            }
            rows.append(row)
            if way != "none":
                ratios[f"{encoder}: memory, {way} / none"] = kept[way] / kept["none"]
                ratios[f"{encoder}: time, {way} / none"] = row["time"]
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)
    print("| encoder | recomputed | MB kept | of them | time |")
    print("| --- | --- | ---: | ---: | ---: |")
    for row in rows:
        share = ratios.get(f"{row['encoder']}: memory, {row['recomputed']} / none", 1.0)
        numbers = f"{row['kept_mb']:.0f} | {share:.2f} | {row['time']:.2f}"
        print(f"| `{row['encoder']}` | {NAMES[row['recomputed']]} | {numbers} |")


def _run(encoder: str, ways: Sequence[str], rounds: int, **environment: str) -> dict[str, Any]:
    """What `pipelines.activations` finds."""
    command = [sys.executable, "-m", "benchmarks.pipelines.activations", "--encoder", encoder]
    done = subprocess.run(
        [*command, "--ways", *ways, "--rounds", str(rounds)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    if done.returncode:
        raise SystemExit(f"{encoder}, {', '.join(ways)} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
