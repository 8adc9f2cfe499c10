"""Does all of it do on a GPU what it does on a CPU, and how fast?

    python benchmarks/gpu.py [--device cuda] [--minutes 8] [--json FILE]

Each check is a process of its own, and all together have so many minutes: what is right comes
first, then how fast it is, and what no longer fits is left out. Without a GPU those run that mean
something on a CPU; those that measure a GPU rehearse on small images. It is said which are skipped
and why.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it sees its own folder alone

from benchmarks.gpu_checks.plan import PLAN
from benchmarks.gpu_checks.running import row_of
from benchmarks.record import keep

QUESTION = "Does all of it do on a GPU what it does on a CPU, and how fast?"
RESULTS = Path(__file__).parent / "results"
_REHEARSAL = 0.1


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where it runs, how long, and where the result goes."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What computes; auto takes a GPU where PyTorch sees one."""

    only: tuple[str, ...] = ()
    """Names of checks, or parts of them; all by default."""

    minutes: float = 8.0
    """That all checks have together."""

    json: Path | None = None
    """Where the result goes; none takes results/gpu.json, or results/gpu_without.json."""


def main() -> None:
    """Run all checks, print the table, and fail if one of them has."""
    options = tyro.cli(Options)
    begun = time.monotonic()
    there = torch.cuda.is_available()
    device = options.device if options.device != "auto" else ("cuda" if there else "cpu")
    card = torch.cuda.get_device_name(0) if device == "cuda" else "no GPU: its CPU half"
    out = options.json or RESULTS / ("gpu.json" if device == "cuda" else "gpu_without.json")
    rows: list[dict[str, Any]] = []
    print(f"| {card} | | s |\n| --- | --- | ---: |")
    for check in PLAN:
        if options.only and not any(part in check.name for part in options.only):
            continue
        left = 60 * options.minutes - (time.monotonic() - begun)
        rows.append(row_of(check, device, 1.0 if device == "cuda" else _REHEARSAL, left))
        row = rows[-1]
        print(f"| {row['check']} | {row['state']}: {row['said']} | {row['seconds']:.0f} |")
        sys.stdout.flush()
        # After each: whatever ends this process, what was found stays.
        keep(out, question=f"{QUESTION} {card}", ratios=_ratios(rows), rows=rows)
    print(f"| all | {_counted(rows)} | {time.monotonic() - begun:.0f} |")
    for row in rows:
        if row["state"] == "failed":
            sys.stderr.write(f"\n{row['check']}:\n" + "\n".join(row["tail"]) + "\n")
    if any(row["state"] == "failed" for row in rows):
        raise SystemExit(1)


def _ratios(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    ran = [row["state"] == "passed" for row in rows if row["state"] in ("passed", "failed")]
    ratios = {"checks that passed / that ran": sum(ran) / len(ran)} if ran else {}
    for row in rows:
        ratios |= row.get("ratios", {})
    return ratios


def _counted(rows: Sequence[dict[str, Any]]) -> str:
    """How many there are in each state."""
    states = [row["state"] for row in rows]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


if __name__ == "__main__":
    main()
