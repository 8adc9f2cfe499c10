"""`benchmarks/gpu.py`: its processes, its deadline, and what it makes of what they say."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu
from benchmarks.gpu_checks import running
from benchmarks.gpu_checks.found import Found, read
from benchmarks.gpu_checks.peaks import peak_tflops
from benchmarks.gpu_checks.plan import PLAN, Check

CHECK = Check(name="one", function="module:check", most_s=60)
SPEED = Check(name="speed", function="module:check", on_a_cpu="rehearsed")
FOUND = Found(said="so", numbers={"images/s": 3.0, "card": "X"}, ratios={"ours / baseline": 1.5})


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has the process of each check end so."""

    def end(code: int | None, output: str, errors: str = "") -> None:
        monkeypatch.setattr(running, "_run", lambda command, limit: (code, output, errors))

    return end


def test_every_check_is_there() -> None:
    assert len({check.name for check in PLAN}) == len(PLAN)
    for check in PLAN:
        module, name = check.function.split(":")
        assert callable(getattr(importlib.import_module(f"benchmarks.gpu_checks.{module}"), name))
        assert bool(check.why) == (check.on_a_cpu == "skipped")


def test_a_finding_is_read_among_stray_lines() -> None:
    assert read(f"[warning]\n{{}}\n{FOUND.line()}\n{{broken\n\n") == FOUND
    assert read("nothing\n") is None


def test_a_check_that_passes_brings_its_numbers(ends: Any) -> None:
    ends(0, f"stray\n{FOUND.line()}\nmore\n")
    row = running.row_of(CHECK, "cuda", 1.0, 100)
    assert (row["state"], row["said"]) == ("passed", "so")
    assert row["numbers"] == FOUND.numbers
    assert row["ratios"] == FOUND.ratios


def test_a_rehearsal_on_a_cpu_says_nothing_of_a_gpu(ends: Any) -> None:
    ends(0, FOUND.line())
    row = running.row_of(SPEED, "cpu", 0.1, 100)
    assert (row["state"], row.get("ratios")) == ("rehearsed", None)
    assert running.row_of(SPEED, "cuda", 1.0, 100)["ratios"] == FOUND.ratios


@pytest.mark.parametrize("output", ["", "no finding\n"])
def test_a_check_that_fails_says_why(output: str, ends: Any) -> None:
    ends(1, output, "".join(f"line {n}\n" for n in range(40)) + "AssertionError: differs\n\n")
    row = running.row_of(CHECK, "cuda", 1.0, 100)
    assert (row["state"], row["said"]) == ("failed", "AssertionError: differs")
    assert len(row["tail"]) == 15
    ends(-9, "")
    row = running.row_of(CHECK, "cuda", 1.0, 100)
    assert (row["state"], row["said"]) == ("failed", "it ended with -9 and said nothing")
    ends(0, output)
    assert running.row_of(CHECK, "cuda", 1.0, 100)["state"] == "failed"


def test_what_no_longer_fits_is_skipped(ends: Any) -> None:
    ends(None, "", "working\n")
    assert running.row_of(CHECK, "cuda", 1.0, 2)["said"] == "no time left"
    cut = running.row_of(CHECK, "cuda", 1.0, 30)
    assert (cut["state"], cut["said"]) == ("skipped", "no time left after 30 s")
    slow = running.row_of(CHECK, "cuda", 1.0, 100)
    assert (slow["state"], slow["said"]) == ("failed", "not done after 60 s")
    assert slow["tail"] == ["working"]


def test_a_process_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    code = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("begun", flush=True)
time.sleep(60)
"""
    assert running._run([sys.executable, "-c", code], 1.5)[:2] == (None, "begun\n")
    code = "import sys; sys.stderr.write('why\\n'); sys.exit(3)"
    assert running._run([sys.executable, "-c", code], 30) == (3, "", "why\n")


def test_the_result_is_written_after_each_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "found.json"
    rows = {
        "one": {"check": "one", "state": "passed", "said": "", "seconds": 1.0, "ratios": {"a": 2}},
        "two": {"check": "two", "state": "failed", "said": "", "seconds": 1.0, "tail": ["why"]},
    }
    left: list[float] = []

    def row_of(check: Check, device: str, scale: float, left_s: float) -> dict[str, Any]:
        assert out.exists() == bool(left)
        left.append(left_s)
        return rows[check.name]

    plan = tuple(Check(name=name, function="m:f") for name in rows)
    monkeypatch.setattr(gpu, "PLAN", plan)
    monkeypatch.setattr(gpu, "row_of", row_of)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--json", str(out)])
    with pytest.raises(SystemExit):
        gpu.main()
    assert json.loads(out.read_text())["ratios"] == {"checks that passed / that ran": 0.5, "a": 2}
    assert 480 >= left[0] >= left[1] > 470


@pytest.mark.parametrize(
    ("card", "tf32"),
    [
        ("NVIDIA H200", 494.5),
        ("NVIDIA H200 NVL", 417.5),
        ("NVIDIA H100 80GB HBM3", 494.5),
        ("NVIDIA H100 PCIe", 378),
        ("NVIDIA A100-SXM4-80GB", 156),
        ("NVIDIA A10", 62.5),
        ("NVIDIA A10G", None),
        ("NVIDIA L4", 60),
        ("NVIDIA L40S", 183),
        ("NVIDIA GeForce RTX 4090", None),
    ],
)
def test_peaks_go_by_the_card(card: str, tf32: float | None) -> None:
    assert peak_tflops(card, "TF32") == tf32
