"""Experiments as data: there and back without loss, and changed by dotted path."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from advent_dist.config import AdventConfig, MinEntConfig
from advent_dist.config.override import from_json, override, to_json
from advent_dist.errors import ConfigError
from advent_dist.experiments import EXPERIMENTS, experiment

ADVENT = experiment("streets_advent")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_json_there_and_back(name: str) -> None:
    original = experiment(name)
    assert from_json(to_json(original)) == original
    assert json.loads(to_json(original))["method"]["name"] == original.method.name


def test_json_there_and_back_of_values_that_are_no_defaults() -> None:
    changed = override(
        experiment("streets_minent"),
        {
            "data.augment.crop": (64, 32),
            "data.augment.scale": (0.5, 2.0),
            "method.entropy_range": 0.3,
            "run.name": "mine",
            "engine.zero_stage": 3,
        },
    )
    again = from_json(to_json(changed))
    assert again == changed
    # JSON knows lists only.
    assert isinstance(again.data.augment.crop, tuple)
    assert isinstance(again.method, MinEntConfig)


def test_override_changes_these_fields_alone() -> None:
    changed = override(ADVENT, {"method.lambda_adv": 0.5, "data.source_size": (64, 32)})
    assert isinstance(changed.method, AdventConfig)
    assert changed.method.lambda_adv == 0.5
    assert changed.data.source_size == (64, 32)
    tree = json.loads(to_json(changed))
    tree["method"]["lambda_adv"] = json.loads(to_json(ADVENT))["method"]["lambda_adv"]
    tree["data"]["source_size"] = ADVENT.data.source_size
    assert from_json(json.dumps(tree)) == ADVENT


def test_the_original_stays() -> None:
    before = to_json(ADVENT)
    override(ADVENT, {"data.augment.flip": 0.5, "run.steps": 7})
    assert to_json(ADVENT) == before


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("method.lambda_avd", "method.lambda_adv"),
        ("run.step", "run.steps"),
        ("steps", "run.steps"),
        ("data.augment.flipp", "data.augment.flip"),
        ("methods.lambda_adv", "method.lambda_adv"),
        ("method.lambda_ent", "method.lambda_seg"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest(path: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"no config field '{path}'; did you mean .*{hint}"):
        override(ADVENT, {path: 1})


@pytest.mark.parametrize("path", ["", "run", "data.augment", "run.steps.more", "xyzzy"])
def test_what_is_no_leaf_is_no_field(path: str) -> None:
    with pytest.raises(ConfigError, match="no config field"):
        override(ADVENT, {path: 1})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("run.steps", "many", "run.steps = 'many': .*valid integer"),
        ("run.steps", 2.5, "run.steps = 2.5: .*integer"),
        ("run.steps", None, "run.steps = None"),
        ("run.steps", 0, "run.steps = 0: must be at least 1 step"),
        ("method.lambda_adv", "x", "method.lambda_adv = 'x': .*valid number"),
        ("method.lambda_adv", -1, "method.lambda_adv = -1.0: a loss weight must be 0 or more"),
        ("method.name", "avent", "method.name = 'avent': choose from .*'advent'"),
        ("engine.zero_stage", 4, "engine.zero_stage = 4: .*0, 1, 2 or 3"),
        ("engine.precision", "fp8", "engine.precision = 'fp8': .*'fp32' or 'bf16'"),
        ("data.source_size", (1, 2, 3), r"data.source_size = \(1, 2, 3\)"),
        ("data.source_size", ("a", 2), "data.source_size = 'a'"),
        ("data.source_size", (160,), r"data.source_size = \(160,\)"),
        ("data.augment.flip", 2, "data.augment.flip = 2.0"),
        (
            "cluster.gpus_per_worker",
            "many",
            "cluster.gpus_per_worker = 'many': .*valid number.* or .*'auto'",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        override(ADVENT, {path: value})
    assert "\n" not in str(caught.value)


def test_another_method_takes_its_own_fields() -> None:
    tree = json.loads(to_json(ADVENT))
    tree["method"] = {"name": "minent", "lambda_ent": 0.25}
    method = from_json(json.dumps(tree)).method
    assert method == MinEntConfig(lambda_ent=0.25)
    tree["method"]["lambda_adv"] = 1.0
    with pytest.raises(ConfigError, match=r"no config field 'method.lambda_adv'"):
        from_json(json.dumps(tree))


_WITHOUT_STEPS = to_json(ADVENT).replace('"steps"', '"stpes"')
_WORD_FOR_STEPS = re.sub(r'"steps": \d+', '"steps": "many"', to_json(ADVENT))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "run/config.json is not JSON"),
        ("[]", "run/config.json holds list, not an object"),
        ("{}", "run/config.json: name is missing"),
        (_WITHOUT_STEPS, "run/config.json: run.steps is missing; did you mean it by 'stpes'"),
        (_WORD_FOR_STEPS, "run/config.json: run.steps = 'many': "),
    ],
)
def test_text_that_is_no_config(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_json(text, "run/config.json")


def test_a_field_of_a_later_version_is_named() -> None:
    tree = json.loads(to_json(ADVENT))
    tree["optimizer"]["warmup"] = 100
    with pytest.raises(ConfigError, match=r"no config field 'optimizer.warmup'"):
        from_json(json.dumps(tree))
