"""The command lines that README.md, docs/questions.md and docs/methods.md give can be typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from advent_dist.commands.train import parse
from advent_dist.config.override import to_json
from advent_dist.experiments import experiment

_REPOSITORY = Path(__file__).parents[2]
_TEXT = "".join((_REPOSITORY / name).read_text() for name in ("README.md", "docs/questions.md"))
_OWN = """\
from advent_dist.experiments import experiment

def houses():
    return experiment("streets_advent")
"""
_TRAININGS = re.findall(
    r"^advent-dist train (?!--list)([^#\n]*)", _TEXT.replace("\\\n", " "), re.MULTILINE
)
_OF_METHODS = re.findall(
    r"`(?:ADVENT_DIST_SET=(\S+) )?advent-dist train ([^`]+)`",
    (_REPOSITORY / "docs" / "methods.md").read_text(),
)
_FLAGS = re.findall(r"`(--[a-z]+\.[^`]+)`", _TEXT)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADVENT_DIST_DATA", "ADVENT_DIST_SET"):
        monkeypatch.delenv(name, raising=False)


def test_there_are_some() -> None:
    assert len(_TRAININGS) >= 5
    assert len(_FLAGS) >= 6
    assert len(_OF_METHODS) >= 6


@pytest.mark.parametrize("line", [line for line in _TRAININGS if "--help" not in line])
def test_a_training_is_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = line.split()
    if words[0] == "--config":
        (tmp_path / words[1]).parent.mkdir(parents=True)
        (tmp_path / words[1]).write_text(to_json(experiment("streets_advent")))
    if words[0].endswith(".py"):
        (tmp_path / words[0]).write_text(_OWN)
    monkeypatch.chdir(tmp_path)
    parse(words)


@pytest.mark.parametrize(("setting", "line"), _OF_METHODS)
def test_a_method_is_trained(setting: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVENT_DIST_SET", setting)
    chosen = parse(line.split())[0]
    assert setting in ("", f"method.name={chosen.method.name}")


@pytest.mark.parametrize("flags", _FLAGS)
def test_flags_are_understood(flags: str) -> None:
    assert parse(["streets_advent", *flags.split()])[0] != experiment("streets_advent")
