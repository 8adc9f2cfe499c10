"""The command to copy, parsed by the command line that it is for."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from advent_dist.commands.train import parse
from advent_dist.config import Call
from advent_dist.config.override import override, to_json
from advent_dist.experiments import experiment
from advent_dist.experiments.command import train_command

VALUES = {"method.lambda_adv": 0.0034, "optimizer.segmenter_lr": 4.8e-05}

CHANGES: list[dict[str, Any]] = [
    {},
    {"data.root": "s3://bucket/my shards", "data.source_evaluation": "streets/day/val"},
    {"data.source_size": (64, 32), "data.augment.crop": (32, 32), "data.augment.flip": 0.5},
    {"model.weights": None, "model.multi_level": False, "model.encoder": "test_resnet"},
    {"run.steps": 40, "engine.kind": "local", "data.anonymous": True},
]


def words_of(command: str) -> list[str]:
    """What a shell makes of it, after the program's name."""
    echo = command.replace("advent-dist", r"printf '%s\0'", 1)
    output = subprocess.run(["sh", "-c", echo], check=True, capture_output=True, text=True).stdout
    return output.split("\0")[:-1]


@pytest.mark.parametrize("changes", CHANGES)
def test_the_command_means_the_point_of_the_space(changes: dict[str, Any]) -> None:
    base = override(experiment("streets_advent"), changes)
    command = train_command(json.loads(json.dumps(asdict(base))), VALUES)
    verb, *arguments = words_of(command)
    assert verb == "train"
    assert parse(arguments) == (override(base, VALUES), Call())


def test_where_the_sweep_kept_its_runs_is_left_out() -> None:
    base = experiment("streets_advent")
    kept = override(base, {"run.name": "00003", "run.storage": "/tmp/sweeps"})
    arguments = words_of(train_command(asdict(kept), VALUES))[1:]
    assert parse(arguments) == (override(base, VALUES), Call())


def test_an_experiment_of_ones_own_is_that_of_the_sweeps_file(tmp_path: Path) -> None:
    given = override(experiment("streets_minent"), {"data.root": "here"})
    given = replace(given, name="houses")
    (tmp_path / "experiment.json").write_text(to_json(given))
    varied = override(given, {"data.root": "/abs/here", "run.storage": "/abs", "run.seed": 7})
    values = {"method.lambda_ent": 0.5}
    tree = json.loads(to_json(given))
    command = train_command(asdict(varied), values, tree, f"{tmp_path}/experiment.json")
    expected = override(given, {**values, "data.root": "/abs/here", "run.seed": 7})
    assert parse(words_of(command)[1:]) == (expected, Call())


def test_words_of_the_user_stay_words() -> None:
    odd = asdict(replace(experiment("streets_advent"), name="a; rm -rf / #"))
    words = words_of(train_command(odd, {"data.root": "x$(reboot)`y`"}))
    assert words[1] == "a; rm -rf / #"
    assert words[3] == "x$(reboot)`y`"
