"""What is said of a run before it starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from advent_dist.config import ModelConfig
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.errors import CheckpointError, ConfigError, DataError
from advent_dist.models.segmenter import build_segmenter
from advent_dist.runs.preflight import check, check_networks
from tests.helpers import tiny_run, write_tiny_shards
from tests.shard_helpers import Example, examples, write_shards


def with_labels(value: int) -> list[Example]:
    """Samples whose labels hold the one value."""
    return [
        sample._replace(label=np.full((64, 64), value, np.uint8))
        for sample in examples(10, size=(64, 64))
    ]


def test_classes_that_labels_lack_are_named(tmp_path: Path) -> None:
    write_tiny_shards(str(tmp_path))
    assert check(tiny_run(str(tmp_path), "runs"), CAMVID_11) == ([], None)
    write_shards(f"{tmp_path}/source", with_labels(3))
    (said,) = check(tiny_run(str(tmp_path), "runs"), CAMVID_11).surprises
    assert said.startswith(f"{tmp_path}/source: no labelled pixel in 10 of the 11 classes: sky,")


@pytest.mark.parametrize("folder", ["source", "evaluation"])
def test_void_labels_are_refused(tmp_path: Path, folder: str) -> None:
    write_tiny_shards(str(tmp_path))
    write_shards(f"{tmp_path}/{folder}", with_labels(255))
    with pytest.raises(DataError, match=f"{folder}: none of its labels has a labelled pixel"):
        check(tiny_run(str(tmp_path), "runs"), CAMVID_11)


def test_labels_of_the_target_are_not_looked_at(tmp_path: Path) -> None:
    write_tiny_shards(str(tmp_path))
    write_shards(f"{tmp_path}/target", with_labels(255))
    assert check(tiny_run(str(tmp_path), "runs"), CAMVID_11) == ([], None)


def test_weights_that_fit_and_others(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    weights = tmp_path / "weights.pth"
    experiment = tiny_run("data", "runs", model__weights=str(weights))
    for encoder in ("test_resnet", "deeplab_v2"):
        experiment = tiny_run("data", "runs", model__encoder=encoder, model__weights=str(weights))
        torch.save(build_segmenter(ModelConfig(encoder=encoder), 11).state_dict(), weights)
        check_networks(experiment, 11)
        torch.save(build_segmenter(ModelConfig(encoder="test_vit"), 11).state_dict(), weights)
        with pytest.raises(CheckpointError, match=r"model\.weights = .*check model\.encoder"):
            check_networks(experiment, 11)
    assert not recwarn.list
    weights.write_text("<!doctype html>")
    with pytest.raises(CheckpointError, match="web page"):
        check_networks(experiment, 11)


def test_what_is_not_taken_of_weights_is_said(tmp_path: Path) -> None:
    write_tiny_shards(str(tmp_path))
    weights = tmp_path / "weights.pth"
    experiment = tiny_run(str(tmp_path), "runs", model__weights=str(weights))
    model = replace(experiment.model, weights=None)
    torch.save(build_segmenter(model, 11).state_dict(), weights)
    assert check(experiment, CAMVID_11).said() == ""
    torch.save(build_segmenter(model, 19).state_dict(), weights)
    said = check(experiment, CAMVID_11).said()
    assert said.startswith(f"-- initial weights: {weights}: a segmenter of this project\n")
    assert "of 19 classes in place of 11: it starts at random\n" in said


def test_weights_that_another_machine_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    weights = "/nowhere/weights.pth"
    with pytest.raises(ConfigError, match="no such file"):
        check_networks(tiny_run("data", "runs", model__weights=weights), 11)
    write_tiny_shards(str(tmp_path))
    elsewhere = tiny_run(
        str(tmp_path), "runs", model__weights=weights, cluster__address="head:6379"
    )
    seen = check(elsewhere, CAMVID_11)
    assert seen.weights is None
    assert seen.said().startswith(f"warning: model.weights = '{weights}' is not on this machine")


def test_pretrained_weights_that_there_are_none_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    experiment = tiny_run(
        "data", "runs", model__encoder="dla34", model__pretrained=True, model__output_stride=32
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nowhere")
    with pytest.raises(ConfigError, match=r"model\.pretrained = True"):
        check_networks(experiment, 11)
