"""Does all of it do on a GPU what it does on a CPU, and how fast?

    python benchmarks/gpu.py [--device cuda] [--json FILE]

Each check is a process of its own. Without a GPU those run that mean something on a CPU, and it is
said which are skipped and why.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it sees its own folder alone

from benchmarks.record import keep

QUESTION = "Does all of it do on a GPU what it does on a CPU, and how fast?"
RESULTS = Path(__file__).parent / "results"

ON_A_CPU = {
    "fp32 as on the CPU": "there is nothing to compare the CPU with",
    "ZeRO 0 to 3 as plain PyTorch": None,
    "bf16 follows fp32": None,
    "a detector trains and is scored": None,
    "activation checkpointing changes nothing": None,
    "compiled as written": "a CPU compiles for minutes",
    "counts as on the CPU": "there is nothing to compare the CPU with",
    "evaluation at 2048x1024": None,
    "the product on Ray": None,
    "speed at 1280x720 and 1024x512": "benchmarks/step.py has a CPU's, at a size it can do",
    "a step of MIC at 512x512": "benchmarks/self_training_step.py has a CPU's",
    "memory at ZeRO 0 to 3": "PyTorch counts what it allocates on GPUs",
}
"""Check, in `pipelines/gpu.py`, and why it is skipped without a GPU."""

_LONGEST_S = 300
_Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where it runs, and where the result goes."""

    device: _Device = "auto"
    """What computes; auto takes a GPU where PyTorch sees one."""

    json: Path | None = None
    """Where the result goes; none takes results/gpu.json, or results/gpu_without.json."""


def main() -> None:
    """Run all checks, print the table, and fail if one of them has."""
    options = tyro.cli(Options)
    there = torch.cuda.is_available()
    device = options.device if options.device != "auto" else ("cuda" if there else "cpu")
    card = torch.cuda.get_device_name(0) if device == "cuda" else "no GPU: its CPU half"
    rows = [_row(check, device) for check in ON_A_CPU]
    name = "gpu.json" if device == "cuda" else "gpu_without.json"
    ratios = {"checks that passed / that ran": _passed(rows)}
    keep(options.json or RESULTS / name, question=QUESTION, ratios=ratios, rows=rows)
    print(f"| {card} | | s |\n| --- | --- | ---: |")
    for row in rows:
        print(f"| {row['check']} | {row['state']}: {row['said']} | {row['seconds']:.0f} |")
    if any(row["state"] == "failed" for row in rows):
        raise SystemExit(1)


def _row(check: str, device: str) -> dict[str, Any]:
    """Run one check, or say why not."""
    why = ON_A_CPU[check]
    if device == "cpu" and why is not None:
        return {"check": check, "state": "skipped", "said": why, "seconds": 0.0}
    command = [sys.executable, "-m", "benchmarks.pipelines.gpu"]
    command += ["--check", check, "--device", device]
    begun, folder = time.monotonic(), Path(__file__).parents[1]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder, timeout=_LONGEST_S
        )
    except subprocess.TimeoutExpired:
        state, said = "failed", f"not done after {_LONGEST_S} s"
    else:
        lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
        # What is killed, as for want of memory, says nothing.
        last = lines[-1] if lines else f"it ended with {done.returncode}"
        state = "failed" if done.returncode else "passed"
        said = last if done.returncode else json.loads(last)["said"]
    return {"check": check, "state": state, "said": said, "seconds": time.monotonic() - begun}


def _passed(rows: list[dict[str, Any]]) -> float:
    ran = [row["state"] == "passed" for row in rows if row["state"] != "skipped"]
    return sum(ran) / len(ran)


if __name__ == "__main__":
    main()
