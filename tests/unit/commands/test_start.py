"""What the command line imports before it knows what to do: nothing that takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from advent_dist.cli import _COMMANDS
from advent_dist.config.override import to_json
from advent_dist.experiments import experiment
from shards.presets import PRESETS
from shards.readers import NAMES, reader_of

_SLOW = {"deepspeed", "fsspec", "numpy", "PIL", "ray", "scipy", "timm", "torch", "webdataset"}

_LINES = [
    ["--help"],
    *([name, "--help"] for name in _COMMANDS),
    ["train", "--list"],
    ["train", "streets_advent", "--help"],
    ["shards", "build", "--help"],
    *(["shards", name, "--help"] for name in ("adopt", "classes", "info", "show", "verify")),
]

_CALL = f"""
import io, json, sys
from contextlib import redirect_stdout
from advent_dist.cli import run
for line in json.loads(sys.argv[1]):
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            status = run(line)
    except SystemExit as done:
        status = done.code
    assert status == 0 and said.getvalue(), line
    print(json.dumps([" ".join(line), sorted({_SLOW} & set(sys.modules))]))
"""


def loaded_by(lines: list[list[str]]) -> list[tuple[str, list[str]]]:
    """Each command line, and the slow packages that it and those before it have loaded."""
    done = subprocess.run(
        [sys.executable, "-c", _CALL, json.dumps(lines)], capture_output=True, text=True, check=True
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_help_and_lists_load_no_slow_package() -> None:
    assert loaded_by(_LINES) == [(" ".join(line), []) for line in _LINES]


def test_the_config_of_a_run_loads_nothing_that_ray_could_start_beside(tmp_path: Path) -> None:
    """PyTorch is loaded while Ray starts; see `cluster.early`."""
    config = tmp_path / "config.json"
    config.write_text(to_json(experiment("streets_advent")))
    (tmp_path / "metrics.jsonl").touch()  # a run that has begun: its storage is looked at
    [(_, loaded)] = loaded_by([["train", "--config", str(config), "--help"]])
    assert not set(loaded) & {"ray", "timm", "torch"}


def test_what_computes_does_load_them() -> None:
    """So that the test above can fail."""
    [(_, loaded)] = loaded_by([["shards", "build", "gta5", "--help"]])
    assert "torch" in loaded


def test_readers_are_named_as_they_call_themselves() -> None:
    readers = [reader_of(name) for name in NAMES]
    assert [reader.name for reader in readers] == list(NAMES)
    assert set(PRESETS) < set(readers)
