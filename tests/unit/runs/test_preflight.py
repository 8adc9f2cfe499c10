"""What is told of a run's networks before any worker starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from advent_dist.config import ModelConfig
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.models.segmenter import build_segmenter
from advent_dist.runs.preflight import check_networks
from tests.helpers import tiny_run


def test_weights_that_fit_and_others(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    weights = tmp_path / "weights.pth"
    experiment = tiny_run("data", "runs", model__weights=str(weights))
    for encoder in ("test_resnet", "deeplab_v2"):
        experiment = tiny_run("data", "runs", model__encoder=encoder, model__weights=str(weights))
        torch.save(build_segmenter(ModelConfig(encoder=encoder), 11).state_dict(), weights)
        check_networks(experiment)
        torch.save(build_segmenter(ModelConfig(encoder="test_vit"), 11).state_dict(), weights)
        with pytest.raises(CheckpointError, match=r"model\.weights = .*check model\.encoder"):
            check_networks(experiment)
    assert not recwarn.list
    weights.write_text("<!doctype html>")
    with pytest.raises(CheckpointError, match="web page"):
        check_networks(experiment)


def test_weights_that_another_machine_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    weights = "/nowhere/weights.pth"
    with pytest.raises(ConfigError, match="no such file"):
        check_networks(tiny_run("data", "runs", model__weights=weights))
    check_networks(tiny_run("data", "runs", model__weights=weights, cluster__address="head:6379"))


def test_pretrained_weights_that_there_are_none_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    experiment = tiny_run(
        "data", "runs", model__encoder="dla34", model__pretrained=True, model__output_stride=32
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nowhere")
    with pytest.raises(ConfigError, match=r"model\.pretrained = True"):
        check_networks(experiment)
