"""The form in which every benchmark keeps its result."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def keep(
    out: Path | None,
    *,
    question: str,
    ratios: Mapping[str, float],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Write a result as JSON; None writes nothing.

    What an earlier one has under `seen`, see `add_seen`, it keeps.
    """
    if out is None:
        return
    seen = json.loads(out.read_text()).get("seen", {}) if out.exists() else {}
    result: dict[str, Any] = {
        "question": question,
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "ratios": ratios,
        "rows": rows,
    }
    if still := {name: values for name, values in seen.items() if name in ratios}:
        result["seen"] = still
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")


def add_seen(file: Path, ratios: Mapping[str, float]) -> None:
    """Note in a result that its ratios were these in another run, or on another host."""
    result = json.loads(file.read_text())
    seen = result.setdefault("seen", {})
    for name, value in ratios.items():
        seen[name] = sorted({*seen.get(name, []), round(value, 3)})
    file.write_text(json.dumps(result, indent=1) + "\n")
