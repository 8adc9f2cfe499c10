"""One check in a process of its own, within the time that is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.gpu_checks.found import Found, read
from benchmarks.gpu_checks.plan import Check

LEAST_S = 5.0
"""With fewer seconds left none is begun: its imports would take them."""

_TAIL = 15
"""Lines of what a failed check has said that are kept."""

_TO_END_S = 5.0
"""A process that is told to end may end others first, as Ray's."""


def row_of(check: Check, device: str, scale: float, left_s: float) -> dict[str, Any]:
    """Run one check, or say why not.

    Args:
        check: Which.
        device: What computes.
        scale: Factor of the sides of the paper's images, for what is measured on them.
        left_s: Seconds that it may take, unless it allows itself fewer.

    Returns:
        Its name; `state`, which is passed, rehearsed, skipped or failed; what is `said` of it;
        its seconds; then `numbers` and `ratios`, or the `tail` of what it wrote when it failed.
    """
    if device == "cpu" and check.on_a_cpu == "skipped":
        return _row(check, "skipped", check.why)
    if left_s < LEAST_S:
        return _row(check, "skipped", "no time left")
    most = check.most_s * (3 if device == "cpu" else 1)
    limit = min(most, left_s)
    begun = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.gpu_checks.one", "--check", check.name]
    code, output, errors = _run([*command, "--device", device, "--scale", str(scale)], limit)
    seconds = time.monotonic() - begun
    found = read(output)
    if code == 0 and found is not None:
        return _passed(check, found, device, scale, seconds)
    if code is None and limit < most:
        return _row(check, "skipped", f"no time left after {limit:.0f} s", seconds)
    lines = [line for line in errors.splitlines() if line.strip()]
    # What is killed, as for want of memory, says nothing.
    last = lines[-1] if lines else f"it ended with {code} and said nothing"
    said = last if code is not None else f"not done after {limit:.0f} s"
    return {**_row(check, "failed", said, seconds), "tail": lines[-_TAIL:]}


def _passed(
    check: Check, found: Found, device: str, scale: float, seconds: float
) -> dict[str, Any]:
    if device == "cpu" and check.on_a_cpu == "rehearsed":
        return _row(check, "rehearsed", f"at {scale:g} of the images' sides", seconds)
    row = _row(check, "passed", found.said, seconds)
    return {**row, "numbers": dict(found.numbers), "ratios": dict(found.ratios)}


def _row(check: Check, state: str, said: str, seconds: float = 0.0) -> dict[str, Any]:
    return {"check": check.name, "state": state, "said": said, "seconds": seconds}


def _run(command: list[str], limit_s: float) -> tuple[int | None, str, str]:
    """Exit code, None for one that had to be ended, and what was written to both outputs."""
    # Files: what outlives the process, as Ray's daemons may, would keep a pipe open.
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
        return code, _text(output), _text(errors)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and what it has started in its own session, first with, then without asking."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TO_END_S)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.buffer.read().decode(errors="replace"))
