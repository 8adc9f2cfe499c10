"""The experiment that a cluster's environment names."""

from __future__ import annotations

import pytest

from advent_dist.errors import ConfigError
from advent_dist.experiments.environment import assignment, named_experiment, surroundings


def test_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADVENT_DIST_EXPERIMENT", raising=False)
    assert named_experiment() is None


def test_experiment_data_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVENT_DIST_EXPERIMENT", "streets_advent")
    monkeypatch.setenv("ADVENT_DIST_DATA", "s3://bucket/shards")
    monkeypatch.setenv("ADVENT_DIST_SET", "cluster.workers=4 run.name='two words'")
    chosen = named_experiment()
    assert chosen is not None
    assert (chosen.data.root, chosen.cluster.workers) == ("s3://bucket/shards", 4)
    assert chosen.run.name == "two words"


def test_mistakes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVENT_DIST_EXPERIMENT", "streets_advent")
    monkeypatch.setenv("ADVENT_DIST_SET", "cluster.wokers=4")
    with pytest.raises(ConfigError, match="did you mean"):
        named_experiment()
    monkeypatch.setenv("ADVENT_DIST_SET", "cluster.workers")
    with pytest.raises(ConfigError, match=r"ADVENT_DIST_SET cluster.workers: give PATH=VALUE"):
        surroundings()
    monkeypatch.setenv("ADVENT_DIST_SET", "run.name='two words")
    with pytest.raises(ConfigError, match=r"ADVENT_DIST_SET=.*: No closing quotation"):
        surroundings()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("none", None),
        ("null", None),
        ("True", True),
        ("false", False),
        ("3", 3),
        ("1e-3", 1e-3),
        ("[192,96]", [192, 96]),
        ("camvid/dusk/val", "camvid/dusk/val"),
        ("a=b", "a=b"),
    ],
)
def test_values_are_read_as_on_the_command_line(text: str, value: object) -> None:
    assert assignment(f"data.held_out={text}", "--set") == ("data.held_out", value)
