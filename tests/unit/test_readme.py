"""The command lines that README.md gives can be typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from advent_dist.commands.train import parse
from advent_dist.config.override import to_json
from advent_dist.experiments import experiment

_TEXT = (Path(__file__).parents[2] / "README.md").read_text()
_TRAININGS = re.findall(
    r"^advent-dist train (?!--list)([^#\n]*)", _TEXT.replace("\\\n", " "), re.MULTILINE
)
_FLAGS = re.findall(r"`(--[a-z]+\.[^`]+)`", _TEXT)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADVENT_DIST_DATA", "ADVENT_DIST_SET"):
        monkeypatch.delenv(name, raising=False)


def test_there_are_some() -> None:
    assert len(_TRAININGS) >= 5
    assert len(_FLAGS) >= 6


@pytest.mark.parametrize("line", [line for line in _TRAININGS if "--help" not in line])
def test_a_training_is_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = line.split()
    if words[0] == "--config":
        (tmp_path / words[1]).parent.mkdir(parents=True)
        (tmp_path / words[1]).write_text(to_json(experiment("streets_advent")))
    monkeypatch.chdir(tmp_path)
    parse(words)


@pytest.mark.parametrize("flags", _FLAGS)
def test_flags_are_understood(flags: str) -> None:
    assert parse(["streets_advent", *flags.split()])[0] != experiment("streets_advent")
