"""What an adapted training is compared with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from advent_dist.config.baseline import is_adapted, other_terms, without_adaptation
from advent_dist.config.override import override
from advent_dist.experiments import EXPERIMENTS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_a_baseline_on_the_same_terms(name: str) -> None:
    experiment = EXPERIMENTS[name]()
    baseline = without_adaptation(experiment)
    assert baseline.method.name.endswith("source_only")
    assert without_adaptation(baseline) == baseline
    assert not is_adapted(baseline)
    assert is_adapted(experiment) == ("source_only" not in name and "oracle" not in name)
    assert other_terms(experiment, baseline) == []
    assert baseline.optimizer == experiment.optimizer
    assert baseline.run == experiment.run


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model.encoder", "resnet18"),
        ("model.decoder", "fpn"),
        ("model.weights", "weights.pth"),
        ("model.lora.rank", 8),
        ("optimizer.segmenter_lr", 0.01),
        ("data.source", "elsewhere"),
        ("data.augment.flip", 0.25),
        ("data.rare_class_temperature", 0.1),
        ("method.logit_adjustment", 1.0),
        ("run.steps", 7),
        ("run.global_batch_size", 64),
        ("engine.precision", "bf16"),
    ],
)
def test_what_a_comparison_holds_fixed(field: str, value: Any) -> None:
    experiment = override(EXPERIMENTS["streets_advent"](), {"optimizer.horizon": 1000})
    assert other_terms(experiment, override(without_adaptation(experiment), {field: value})) == [
        field
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run.seed", 7),
        ("run.name", "other"),
        ("run.storage", "elsewhere"),
        ("data.root", "elsewhere"),
        ("data.cache_dir", "cache"),
        ("model.discriminator_width", 8),
        ("optimizer.discriminator_lr", 0.1),
    ],
)
def test_what_it_does_not(field: str, value: Any) -> None:
    experiment = EXPERIMENTS["streets_advent"]()
    assert other_terms(experiment, override(without_adaptation(experiment), {field: value})) == []


def test_as_many_images_a_step_on_another_number_of_workers() -> None:
    experiment = override(EXPERIMENTS["streets_advent"](), {"cluster.workers": 2})
    baseline = without_adaptation(experiment)
    alone = {
        "cluster.workers": 1,
        "data.batch_size_per_rank": 2 * baseline.data.batch_size_per_rank,
    }
    assert other_terms(experiment, override(baseline, alone)) == []


def test_spectra_of_the_target_are_adaptation() -> None:
    plain = without_adaptation(EXPERIMENTS["streets_advent"]())
    augment = replace(plain.data.augment, fda_beta=0.01)
    assert is_adapted(replace(plain, data=replace(plain.data, augment=augment)))
