"""Experiments in files of one's own, and what is said of files that hold none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.errors import ConfigError
from advent_dist.experiments import experiment
from advent_dist.experiments.environment import experiment_of, named_experiment
from advent_dist.experiments.file import experiment_in_file, is_file

_GOOD = """\
from __future__ import annotations
from dataclasses import dataclass
from advent_dist import config
from sizes import SIZE

@dataclass
class Local:
    steps: int = 7

def _size():
    return SIZE

def scaled(factor):
    return factor * SIZE[0]

def houses(steps=Local().steps):
    return config.Experiment(
        name="houses",
        data=config.DataConfig(
            source="a", target="b",
            source_size=_size(), target_size=[64, 32], evaluation_size=SIZE,
        ),
        method=config.MinEntConfig(),
        run=config.RunConfig(steps=steps),
    )
"""


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    (tmp_path / "sizes.py").write_text("SIZE = (96, 64)\n")
    (tmp_path / "houses.py").write_text(_GOOD)
    return tmp_path / "houses.py"


def _refused(path: Path, text: str, function: str = "") -> str:
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        experiment_in_file(f"{path}{function}")
    message = str(refused.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


def test_what_is_a_file() -> None:
    assert is_file("houses.py")
    assert is_file("some where/houses.py:small")
    assert not is_file("streets_advent")
    assert not is_file("runs/houses/config.json")


def test_a_function_returns_the_experiment(houses: Path) -> None:
    made = experiment_in_file(str(houses))
    assert (made.name, made.run.steps, made.data.source_size) == ("houses", 7, (96, 64))
    assert made.data.target_size == (64, 32), "as a saved config has it"
    assert experiment_in_file(f"{houses}:houses") == made
    assert experiment_of(str(houses), "--experiment") == made
    left = sorted(one.name for one in houses.parent.iterdir() if one.name != "__pycache__")
    assert left == ["houses.py", "sizes.py"]
    assert str(houses.parent) not in sys.path


def test_the_environment_may_name_one(houses: Path) -> None:
    variables = {"ADVENT_DIST_EXPERIMENT": str(houses), "ADVENT_DIST_SET": "run.steps=3"}
    assert named_experiment(variables) == override(
        experiment_in_file(str(houses)), {"run.steps": 3}
    )


def test_of_several_functions_one_is_named(houses: Path) -> None:
    houses.write_text(_GOOD + "\ndef long():\n    return houses(steps=70)\n")
    assert experiment_in_file(f"{houses}:long").run.steps == 70
    with pytest.raises(ConfigError) as refused:
        experiment_in_file(str(houses))
    assert "several functions, houses (line 16) and long (line 27); choose one, such as " in str(
        refused.value
    )
    with pytest.raises(ConfigError, match=r"no function 'lang'; did you mean long\?"):
        experiment_in_file(f"{houses}:lang")
    with pytest.raises(ConfigError, match="line 13: scaled takes arguments"):
        experiment_in_file(f"{houses}:scaled")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (\n", ", line 1: it is no Python: '(' was never closed; correct it"),
        ("\n1 / 0\n", ", line 2: ZeroDivisionError: division by zero; correct the file"),
        ("import nowhere_at_all\n", ", line 1: ModuleNotFoundError: No module named 'nowhere_at"),
        ("\nraise SystemExit(3)\n", ", line 2: SystemExit: 3; correct the file"),
        ("x = 1\n", " has no function without arguments; write one that returns a config.Exp"),
        ("def f():\n    pass\n", ", line 1: f() returned nothing, not an Experiment; end it with"),
        ("def f():\n    return {}\n", ", line 1: f() returned a dict, not an Experiment; end it"),
        ("def f():\n    x = 1\n    raise KeyError\n", ", line 3: KeyError; correct the file"),
        ("\0", ": "),
        (
            "from advent_dist import config\n\ndef f():\n    return config.RunConfig(stepz=3)\n",
            ", line 4: TypeError: RunConfig.__init__() got an unexpected keyword argument 'stepz';"
            " did you mean steps?",
        ),
        (
            "from advent_dist import config\n\ndef f():\n    return config.RunConfig(steps=0)\n",
            ", line 4: run.steps = 0: must be at least 1 step",
        ),
    ],
)
def test_a_file_that_holds_none(tmp_path: Path, text: str, said: str) -> None:
    assert _refused(tmp_path / "houses.py", text).startswith(said)


def test_a_field_of_a_wrong_type(houses: Path) -> None:
    wrong = _GOOD.replace('source="a"', 'source="a", classes=7')
    assert _refused(houses, wrong).startswith(", line 16: data.classes = 7: Input should be a ")


def test_what_is_wrong_in_a_file_beside_it(houses: Path) -> None:
    (houses.parent / "wrong_sizes.py").write_text("SIZE = (\n")
    said = _refused(houses, _GOOD.replace("from sizes", "from wrong_sizes"))
    assert said.startswith(f": {houses.parent}/wrong_sizes.py, line 1: it is no Python")


def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^--experiment houses\.py: there is no such file in "):
        experiment_of("houses.py", "--experiment")
    with pytest.raises(ConfigError, match=r"^s3://bucket/houses\.py: code is not taken from a URL"):
        experiment_in_file("s3://bucket/houses.py")
    (tmp_path / "houses.py").write_text(_GOOD)
    with pytest.raises(ConfigError, match=r"did you mean the file houses\.py\?"):
        experiment_of("houses", "--experiment")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(ConfigError, match=r"^folder\.py: Is a directory; give a file"):
        experiment_in_file("folder.py")


def test_built_in_names_stay_what_they_are() -> None:
    made: Experiment = experiment_of("streets_advent", "--experiment")
    assert made == experiment("streets_advent")
