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
    """Write a result as JSON; None writes nothing."""
    if out is None:
        return
    result = {
        "question": question,
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "ratios": ratios,
        "rows": rows,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
