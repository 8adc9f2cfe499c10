"""What the rehearsal lets pass trains, and what it refuses does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.errors import ConfigError
from advent_dist.experiments.environment import experiment_of
from advent_dist.parallel.world import World
from advent_dist.runs.rehearsal import rehearse
from advent_dist.training.assembly import build_method
from advent_dist.types import DomainBatch
from tests.helpers import tiny_experiment

ODD, EVEN = (97, 65), (128, 64)


def _experiment(encoder: str, size: tuple[int, int], batch: int, **changes: Any) -> Experiment:
    return override(
        tiny_experiment("camvid_day_dusk_advent"),
        {
            "model.encoder": encoder,
            "engine.kind": "local",
            "data.source_size": size,
            "data.target_size": size,
            "data.evaluation_size": size,
            "data.batch_size_per_rank": batch,
            **changes,
        },
    )


def _train_and_evaluate(experiment: Experiment) -> None:
    """A step and an evaluation with real numbers, in this process."""
    batch = experiment.data.batch_size_per_rank
    width, height = experiment.data.source_size
    images = torch.zeros(batch, 3, height, width, dtype=torch.uint8)
    method = build_method(experiment, World(), torch.full((11,), 1 / 11))
    method.step(
        DomainBatch(
            source_image=images,
            source_label=torch.zeros(batch, height, width, dtype=torch.uint8),
            target_image=images,
            source_keys=("s",) * batch,
            target_keys=("t",) * batch,
        )
    )
    with torch.no_grad():
        method.engines["segmenter"].module.eval()(images[:1])


@pytest.mark.parametrize(
    ("encoder", "size", "batch"),
    [
        ("test_resnet", ODD, 1),
        ("test_vit", ODD, 1),
        ("hrnet_w18_small", EVEN, 1),
        ("resnest14d", ODD, 2),
        ("mobilenetv3_small_050", ODD, 1),
    ],
)
def test_what_passes_trains(encoder: str, size: tuple[int, int], batch: int) -> None:
    experiment = _experiment(encoder, size, batch)
    rehearse(experiment, 11)
    _train_and_evaluate(experiment)


@pytest.mark.parametrize(
    ("encoder", "size", "batch", "fix"),
    [
        ("hrnet_w18_small", ODD, 1, r"97x65 pixels \(data.source_size, .* give 128x96"),
        ("dla34", ODD, 2, "97x65 pixels .* give 128x96"),
        ("inception_v4", EVEN, 1, "128x64 pixels .* give 128x128"),
        ("skresnet18", EVEN, 1, "batches of 1 .* give batches of 2 or more"),
        ("resnest14d", ODD, 1, "batches of 1 .* give batches of 2 or more"),
    ],
)
def test_what_is_refused_does_not_train(
    encoder: str, size: tuple[int, int], batch: int, fix: str
) -> None:
    experiment = _experiment(encoder, size, batch)
    with pytest.raises(ConfigError, match=rf"model.encoder = '{encoder}': .*{fix}"):
        rehearse(experiment, 11)
    with pytest.raises((RuntimeError, ValueError)):
        _train_and_evaluate(experiment)


def test_the_size_that_is_named_trains() -> None:
    _train_and_evaluate(_experiment("hrnet_w18_small", (128, 96), 1))


def test_each_size_counts() -> None:
    for field in ("source_size", "target_size", "evaluation_size"):
        experiment = _experiment("dla34", EVEN, 1, **{f"data.{field}": ODD})
        with pytest.raises(ConfigError, match=rf"\(data.{field}\)"):
            rehearse(experiment, 11)
    windows = {"data.evaluation_size": (200, 100), "data.evaluation_window": EVEN}
    rehearse(_experiment("dla34", EVEN, 1, **windows), 11)
    windows["data.evaluation_window"] = ODD
    with pytest.raises(ConfigError, match=r"\(data.evaluation_window\)"):
        rehearse(_experiment("dla34", EVEN, 1, **windows), 11)
    cropped = _experiment("dla34", EVEN, 1, **{"data.augment.crop": ODD})
    with pytest.raises(ConfigError, match=r"\(data.augment.crop\)"):
        rehearse(cropped, 11)


def test_both_resolutions_count() -> None:
    """At half of 96 rows the network's layers no longer fit each other, nor the real one's."""
    changes = {
        "model.encoder": "hrnet_w18_small",
        "model.weights": None,
        "model.detail_crop": (64, 32),
        "data.source_size": (128, 96),
        "data.target_size": (128, 96),
        "data.evaluation_size": (128, 96),
    }
    experiment = override(experiment_of("streets_hrda", ""), changes)
    with pytest.raises(ConfigError, match=r"128x96 pixels .* give 128x128"):
        rehearse(experiment, 11)
    with pytest.raises(RuntimeError):
        _train_and_evaluate(override(experiment, {"engine.kind": "local"}))


def test_maps_too_small_for_a_discriminator() -> None:
    with pytest.raises(ConfigError, match="a discriminator got 64 x 16"):
        rehearse(_experiment("test_resnet", (64, 16), 1), 11)


def test_blocks_that_cannot_be_checkpointed() -> None:
    rehearse(_experiment("test_resnet", EVEN, 1, **{"engine.activation_checkpointing": True}), 11)


def test_the_papers_images_cost_no_memory_and_little_time() -> None:
    """Shapes only: 16 images of 1280 x 720 would take tens of gigabytes."""
    rehearse(_experiment("resnet101", (1280, 720), 16), 11)


def test_adapters_that_would_do_nothing() -> None:
    """EVA-02 reads the weights of its qkv and does not call it."""
    adapted = {"model.decoder": "linear", "model.weights": None, "model.lora.rank": 2}
    rehearse(_experiment("test_vit", EVEN, 2, **adapted), 11)
    eva = _experiment("eva02_tiny_patch14_224", (56, 56), 2, **adapted)
    with pytest.raises(
        ConfigError, match=r"targets: eva02_tiny_patch14_224 reads .* of \S+attn\.qkv .* leave qkv"
    ):
        rehearse(eva, 11)
    rehearse(override(eva, {"model.lora.targets": ("proj", "fc2")}), 11)
