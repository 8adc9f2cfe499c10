"""Configs are validated where they are built, by messages that name the field, value and fix."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from advent_dist import config
from advent_dist.config import (
    AdventConfig,
    AugmentConfig,
    ClusterConfig,
    EngineConfig,
    MinEntConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    Sliding,
)
from advent_dist.config.override import override
from advent_dist.errors import ConfigError, UserError
from advent_dist.experiments import experiment
from tests.shard_helpers import data_config

REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (AugmentConfig, {"scale": (1.5, 0.5)}, r"data.augment.scale = \(1.5, 0.5\)"),
    (AugmentConfig, {"scale": (0.0, 1.0)}, "data.augment.scale"),
    (AugmentConfig, {"scale": (1.0, 17.0)}, "data.augment.scale = .*<= 16"),
    (AugmentConfig, {"crop": (0, 10)}, "data.augment.crop"),
    (AugmentConfig, {"crop": (64, 10**30)}, "data.augment.crop = .*at most 65535 pixels a side"),
    (AugmentConfig, {"flip": 1.01}, r"data.augment.flip = 1.01: a probability is 0 to 1"),
    (AugmentConfig, {"jitter": 1.0}, "data.augment.jitter"),
    (AugmentConfig, {"fda_beta": 0.6}, r"data.augment.fda_beta = 0.6: give a share in 0..0.5"),
    (AugmentConfig, {"fda_beta": math.nan}, "data.augment.fda_beta = nan"),
    (data_config, {"root": "r", "source_size": (10, -1)}, r"data.source_size = \(10, -1\)"),
    (data_config, {"root": "r", "evaluation_size": (0, 1)}, "data.evaluation_size"),
    *(
        (data_config, {"root": "r", "evaluation_size": (40, 20), **windows}, message)
        for windows, message in (
            (
                {"evaluation_window": (20, 21)},
                r"data.evaluation_window = \(20, 21\): larger than the images, which are 40x20",
            ),
            ({"evaluation_window": (0, 9)}, r"data.evaluation_window = \(0, 9\)"),
            (
                {"evaluation_window": (20, 10), "evaluation_stride": (10, 11)},
                r"data.evaluation_stride = \(10, 11\): larger than the window \(20, 10\)",
            ),
            (
                {"evaluation_window": (20, 10), "evaluation_stride": (0, 5)},
                r"data.evaluation_stride = \(0, 5\)",
            ),
            ({"evaluation_stride": (9, 9)}, "give data.evaluation_window too"),
        )
    ),
    *(
        (data_config, {"root": "r", "source_size": size}, rf"data.source_size = {said}: give width")
        for size, said in ((160, "160"), ((160,), r"\(160,\)"), (("a", 2), r"\('a', 2\)"))
    ),
    (data_config, {"root": "r", "batch_size_per_rank": 0}, "data.batch_size_per_rank = 0"),
    (data_config, {"root": "r", "workers_per_rank": -1}, "data.workers_per_rank = -1"),
    (data_config, {"root": "r", "attempts": 0}, "data.attempts = 0"),
    (data_config, {"root": "r", "timeout_s": 0}, "data.timeout_s = 0"),
    (data_config, {"root": "r", "timeout_s": math.inf}, "data.timeout_s = inf"),
    (ModelConfig, {"discriminator_width": 0}, "model.discriminator_width = 0"),
    (
        ModelConfig,
        {"mask_token": True},
        "model.mask_token = True: the paper's network has no patches",
    ),
    (
        ModelConfig,
        {"head_dilations": 2, "encoder": "resnet50"},
        "model.head_dilations = 2: .* leave it 4",
    ),
    (
        ModelConfig,
        {
            "encoder": "test_vit",
            "multi_level": False,
            "detail_crop": (64, 64),
            "mask_token": True,
        },
        "model.mask_token = True: .* False with detail_crop",
    ),
    (ModelConfig, {"pretrained": True, "weights": "a.pth"}, "model.weights = 'a.pth'.*not both"),
    (AdventConfig, {"lambda_adv": -1e-3}, "method.lambda_adv = -0.001"),
    (AdventConfig, {"lambda_seg_aux": -1.0}, "method.lambda_seg_aux"),
    (AdventConfig, {"lambda_adv": math.inf}, "method.lambda_adv = inf: .*finite"),
    (AdventConfig, {"lambda_adv": math.nan}, "method.lambda_adv = nan"),
    (MinEntConfig, {"entropy_range": 0.0}, "method.entropy_range = 0.0"),
    (MinEntConfig, {"entropy_range": 1.1}, "method.entropy_range"),
    (MinEntConfig, {"entropy_penalty": 0.0}, "method.entropy_penalty = 0.0: must be positive"),
    (MinEntConfig, {"lambda_prior": -1.0}, "method.lambda_prior"),
    (MinEntConfig, {"prior_mu": 2.0}, "method.prior_mu = 2.0"),
    (OptimizerConfig, {"segmenter_lr": 0.0}, "optimizer.segmenter_lr = 0.0: must be positive"),
    (OptimizerConfig, {"head_lr_multiplier": -1.0}, "optimizer.head_lr_multiplier"),
    (OptimizerConfig, {"discriminator_lr": 0.0}, "optimizer.discriminator_lr"),
    (OptimizerConfig, {"weight_decay": -1.0}, "optimizer.weight_decay"),
    (OptimizerConfig, {"momentum": 1.0}, "optimizer.momentum = 1.0"),
    (OptimizerConfig, {"discriminator_betas": (0.9, 1.0)}, "optimizer.discriminator_betas"),
    (OptimizerConfig, {"power": -0.9}, "optimizer.power"),
    *(
        (OptimizerConfig, {name: math.inf}, f"optimizer.{name} = inf: .*finite")
        for name in ("segmenter_lr", "head_lr_multiplier", "discriminator_lr", "weight_decay")
    ),
    (OptimizerConfig, {"horizon": 0}, "optimizer.horizon"),
    (EngineConfig, {"gradient_accumulation_steps": 0}, "engine.gradient_accumulation_steps"),
    (EngineConfig, {"gradient_clipping": -1.0}, "engine.gradient_clipping"),
    (EngineConfig, {"gradient_clipping": math.inf}, "engine.gradient_clipping = inf.*finite"),
    (EngineConfig, {"collective_timeout_s": 0.5}, "engine.collective_timeout_s = 0.5.*1 second"),
    (EngineConfig, {"collective_timeout_s": math.inf}, "engine.collective_timeout_s = inf"),
    (EngineConfig, {"recomputed": "cheap"}, "engine.recomputed = .cheap.: .*switch that on"),
    (
        EngineConfig,
        {"recomputed": "cheap", "activation_checkpointing": True, "compile": True},
        "engine.recomputed = .cheap.: .*don't compile",
    ),
    (EngineConfig, {"kind": "local", "zero_stage": 1}, "engine.zero_stage = 1: only.*deepspeed"),
    (EngineConfig, {"kind": "local", "discriminator_zero_stage": 2}, "deepspeed shards"),
    (RunConfig, {"steps": 0}, "run.steps = 0: must be at least 1 step"),
    (RunConfig, {"steps": 1, "report_every": 0}, "run.report_every"),
    (RunConfig, {"steps": 1, "seed": -1}, "run.seed = -1"),
    (ClusterConfig, {"workers": 0}, "cluster.workers = 0"),
    (ClusterConfig, {"cpus_per_worker": 0}, "cluster.cpus_per_worker"),
    *(
        (ClusterConfig, {"gpus_per_worker": gpus}, f"cluster.gpus_per_worker = {gpus}: .*whole")
        for gpus in (-1, 0.5, 1.5, math.inf, math.nan)
    ),
    (ClusterConfig, {"max_failures": -2}, "cluster.max_failures"),
    (ClusterConfig, {"workers": 2, "min_workers": 3}, "cluster.min_workers = 3: 1 to"),
    (ClusterConfig, {"workers": 2, "min_workers": 1}, "cluster.max_failures = 0: -1 or more than"),
    (
        ClusterConfig,
        {"min_workers": 1, "max_failures": 3, "placement": "STRICT_PACK"},
        "cluster.placement",
    ),
    (ClusterConfig, {"grow_every_s": 0}, "cluster.grow_every_s"),
    (ClusterConfig, {"environment": ("NCCL_DEBUG",)}, "give NAME=VALUE"),
    (ClusterConfig, {"environment": ("AWS_SECRET_ACCESS_KEY=x",)}, "only names that begin with"),
]


@pytest.mark.parametrize(("build", "values", "message"), REFUSED)
def test_values_out_of_range_are_refused(build: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**values)


@pytest.mark.parametrize(
    "name",
    [
        *("NCCL_DEBUG", "FI_PROVIDER", "RDMAV_FORK_SAFE", "IBV_FORK_SAFE"),
        "CUBLAS_WORKSPACE_CONFIG",  # which `engine.deterministic` sets where nobody else has
    ],
)
def test_variables_of_the_networks_and_libraries_below_pass(name: str) -> None:
    assert ClusterConfig(environment=(f"{name}=1",)).environment == (f"{name}=1",)


def _config_classes() -> list[type]:
    public = [getattr(config, name) for name in config.__all__]
    return [one for one in public if dataclasses.is_dataclass(one)]


@pytest.mark.parametrize("one", _config_classes(), ids=lambda one: one.__name__)
def test_configs_are_frozen_and_by_keyword(one: Any) -> None:
    assert one.__dataclass_params__.frozen
    assert all(field.kw_only for field in dataclasses.fields(one))


def test_a_user_can_catch_every_mistake_as_a_value_error() -> None:
    assert issubclass(ConfigError, UserError)
    assert issubclass(UserError, ValueError)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../other", "a/../../b", "/tmp", "a//b", "a/", "s3://b/c", "a\\b", "a\n"],
)
def test_a_name_that_is_no_place_inside_the_storage(name: str) -> None:
    with pytest.raises(ConfigError, match=r"run.name = .*: give a name"):
        RunConfig(steps=1, name=name)


@pytest.mark.parametrize("name", ["a", "köln", "two words", "thesis/a", "v1.2", "..hidden", "-x"])
def test_a_name_of_a_run(name: str) -> None:
    assert RunConfig(steps=1, name=name).name == name


def test_a_name_that_is_too_long_for_a_file_system() -> None:
    with pytest.raises(ConfigError, match=r"at most 200 bytes"):
        RunConfig(steps=1, name="ö" * 101)


def test_a_name_of_an_experiment_is_one_of_a_folder() -> None:
    with pytest.raises(ConfigError, match=r"name = '../../x': give a name"):
        override(experiment("streets_advent"), {"name": "../../x"})


def test_windows_lie_half_of_their_size_apart() -> None:
    images = {"root": "r", "evaluation_size": (40, 20)}
    assert data_config(**images).sliding is None
    windows = data_config(**images, evaluation_window=(20, 1)).sliding
    assert windows == Sliding(window=(20, 1), stride=(10, 1))
