"""The experiments of the paper carry its numbers, digit by digit."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from typing import Any

import pytest

from advent_dist.config import Experiment
from advent_dist.data.class_sets import class_set
from advent_dist.errors import ConfigError
from advent_dist.experiments import EXPERIMENTS, experiment
from advent_dist.losses import poly_lr
from advent_dist.methods import METHODS
from advent_dist.models.deeplab_v2 import BGR_MEAN

PUBLISHED: dict[str, Any] = {
    "model.encoder": "deeplab_v2",
    "model.multi_level": True,
    "model.discriminator_width": 64,
    "optimizer.segmenter": "sgd",
    "optimizer.segmenter_lr": 0.00025,
    "optimizer.head_lr_multiplier": 10,
    "optimizer.momentum": 0.9,
    "optimizer.weight_decay": 0.0005,
    "optimizer.published_repeats": True,
    "optimizer.discriminator_lr": 0.0001,
    "optimizer.discriminator_betas": (0.9, 0.99),
    "optimizer.power": 0.9,
    "optimizer.horizon": 250_000,
    "run.steps": 120_000,
    "run.evaluate_every": 2000,
    "data.batch_size_per_rank": 1,
    "data.target_size": (1024, 512),
    "data.evaluation_size": (1024, 512),
    "data.augment.scale": (1.0, 1.0),
    "data.augment.crop": None,
    "data.augment.flip": 0,
    "data.augment.jitter": 0,
    "data.augment.fda_beta": 0,
    "engine.precision": "fp32",
    "engine.gradient_accumulation_steps": 1,
    "engine.gradient_clipping": 0,
    "cluster.workers": 1,
    "method.lambda_seg": 1.0,
    "method.lambda_seg_aux": 0.1,
}
"""What all runs of the paper share."""

PUBLISHED_ENTROPY = {
    "method.lambda_ent": 0.001,
    "method.lambda_ent_aux": 0.0002,
    "method.entropy_range": None,
    "method.entropy_penalty": None,
    "method.lambda_prior": 0,
    "method.prior_mu": 0.5,
}
PUBLISHED_ADVERSARIAL = {"method.lambda_adv": 0.001, "method.lambda_adv_aux": 0.0002}

GTA5 = {
    "data.source": "gta5/train",
    "data.target": "cityscapes/train",
    "data.evaluation": "cityscapes/val",
    "data.classes": "cityscapes19",
    "data.source_size": (1280, 720),
}
GTA5_IN_PROPORTION = GTA5 | {"data.source_size": (1280, 704)}  # of 1914x1052
SYNTHIA = {
    "data.source": "synthia/train",
    "data.target": "cityscapes16/train",
    "data.evaluation": "cityscapes16/val",
    "data.classes": "cityscapes16",
    "data.source_size": (1280, 760),
}

PAPER = {
    "gta5_cityscapes_source_only": GTA5,
    "gta5_cityscapes_minent": GTA5 | PUBLISHED_ENTROPY,
    "gta5_cityscapes_advent": GTA5 | PUBLISHED_ADVERSARIAL,
    "gta5_cityscapes_adaptsegnet": GTA5
    | PUBLISHED_ADVERSARIAL
    | {
        "method.adversary_sees": "probabilities",
        "method.gan_loss": "vanilla",
        "model.head_dilations": 2,
        "run.steps": 150_000,
    },
    "gta5_cityscapes_fda": GTA5
    | PUBLISHED_ENTROPY
    | {
        "model.multi_level": False,
        "data.augment.crop": (1024, 512),
        "data.augment.fda_beta": 0.01,
        "method.lambda_ent": 0.005,
        "method.entropy_penalty": 2.0,
        "optimizer.horizon": 150_000,
        "run.steps": 100_000,
    },
    "synthia_cityscapes_minent": SYNTHIA | PUBLISHED_ENTROPY,
    "synthia_cityscapes_advent": SYNTHIA | PUBLISHED_ADVERSARIAL,
}

SELF_TRAINING = {
    "model.multi_level": False,
    "data.batch_size_per_rank": 2,
    "data.augment.crop": (512, 512),
    "data.augment.scale": (1.0, 1.0),
    "data.augment.jitter": 0,
    "data.target_size": (1024, 512),
    "data.evaluation_size": (1024, 512),
    "method.lambda_seg": 1.0,
    "method.lambda_mix": 1.0,
    "method.threshold": 0.968,
    "method.jitter_probability": 0.8,
    "method.blur_probability": 0.5,
    "engine.gradient_clipping": 0,
}
DACS = {
    "data.rare_class_temperature": None,
    "data.augment.crop_max_share": 1.0,
    "model.encoder": "deeplab_v2",
    "data.augment.flip": 0,
    "method.teacher_decay": 0.99,
    "method.jitter": 0.25,
    "method.unlabelled_top": 0,
    "method.unlabelled_bottom": 0,
    "optimizer.segmenter": "sgd",
    "optimizer.segmenter_lr": 2.5e-4,
    "optimizer.weight_decay": 5e-4,
    "optimizer.head_lr_multiplier": 10,
    "optimizer.power": 0.9,
    "optimizer.horizon": 250_000,
    "optimizer.published_repeats": True,
    "run.steps": 250_000,
}
DAFORMER = {
    "data.rare_class_temperature": 0.01,
    "data.rare_class_pixels": 3000,
    "data.augment.crop_min_pixels": 1500,
    "data.augment.crop_max_share": 0.75,
    "model.decoder": "daformer",
    "model.decoder_width": None,
    "model.drop_path": 0.1,
    "data.augment.flip": 0.5,
    "method.teacher_decay": 0.999,
    "method.jitter": 0.2,
    "method.unlabelled_top": 15,
    "method.unlabelled_bottom": 120,
    "method.lambda_fd": 0.005,
    "method.fd_min_share": 0.75,
    "optimizer.segmenter": "adamw",
    "optimizer.segmenter_lr": 6e-5,
    "optimizer.weight_decay": 0.01,
    "optimizer.decay_norms": False,
    "optimizer.head_lr_multiplier": 10,
    "optimizer.power": 1.0,
    "optimizer.warmup_steps": 1500,
    "optimizer.horizon": 40_000,
    "run.steps": 40_000,
}
MIC = DAFORMER | {"method.lambda_mask": 1.0, "method.mask_block": 32, "method.mask_ratio": 0.7}
VFM_UDA = {
    "model.encoder": "vit_base_patch14_dinov2",
    "model.decoder": "upscaling",
    "model.mask_token": True,
    "data.augment.crop": (80 * 14, 80 * 14),
    "data.augment.scale": (0.9, 1.1),
    "data.augment.flip": 0.5,
    "data.augment.crop_max_share": 0.75,
    "data.augment.crop_min_pixels": round(6000 * (1120 / 1024) ** 2),
    "data.rare_class_temperature": 0.05,
    "data.rare_class_pixels": 3000,
    "data.source_size": (2560 * 1120 // 1024, 1440 * 1120 // 1024),
    "data.target_size": (2240, 1120),
    "data.evaluation_size": (2240, 1120),
    "data.evaluation_window": (1120, 1120),
    "data.evaluation_stride": (560, 560),
    "data.evaluation_average": "probabilities",
    "method.teacher_decay": 0.999,
    "method.weak_probability": 0.9,
    "method.jitter": 0.2,
    "method.lambda_mask": 1.0,
    "method.mask_ratio": 0.7,
    "optimizer.segmenter": "adamw",
    "optimizer.segmenter_lr": pytest.approx(1.41421e-5, rel=1e-5),
    "optimizer.head_lr_multiplier": 10,
    "optimizer.layer_decay": 1.0,
    "optimizer.weight_decay": 0.01,
    "optimizer.decay_norms": True,
    "optimizer.power": 1.0,
    "optimizer.warmup_steps": 1500,
    "optimizer.warmup_to": "rate",
    "optimizer.horizon": 40_000,
    "run.global_batch_size": 8,
    "run.steps": 40_000,
}
VFM_UDA_PLUS_PLUS = VFM_UDA | {
    "model.mask_token": False,
    "method.mask_block": 64,
    "method.lambda_distill_source": 0.1,
    "method.lambda_distill_target": 0.1,
    "method.distill_encoder": "vit_large_patch14_reg4_dinov2",
    "method.distill_size": (29 * 14, 29 * 14),
    "optimizer.layer_decay": 0.9,
}
HRDA = DAFORMER | {
    "data.source_size": (2560, 1407),
    "data.target_size": (2048, 1024),
    "data.evaluation_size": (2048, 1024),
    "data.evaluation_window": (1024, 1024),
    "data.evaluation_stride": (512, 512),
    "data.evaluation_average": "logits",
    "data.augment.crop": (1024, 1024),
    "data.augment.crop_min_pixels": 6000,
    "model.detail_crop": (512, 512),
    "method.lambda_seg": 0.9,
    "method.lambda_seg_detail": 0.1,
    "method.lambda_mix": 0.9,
    "method.lambda_mix_detail": 0.1,
    "method.unlabelled_top": 30,
    "method.unlabelled_bottom": 240,
}
MIC_HRDA = HRDA | {
    "method.lambda_mask": 0.9,
    "method.lambda_mask_detail": 0.1,
    "method.mask_block": 64,
    "method.mask_ratio": 0.7,
}
PUBLISHED_SELF_TRAINING = {
    "gta5_cityscapes_dacs": GTA5 | DACS | {"model.head_dilations": 2},
    "gta5_cityscapes_daformer": GTA5_IN_PROPORTION | DAFORMER,
    "gta5_cityscapes_mic": GTA5_IN_PROPORTION | MIC,
    "gta5_cityscapes_vfm_uda": GTA5 | VFM_UDA,
    "gta5_cityscapes_vfm_uda_plus_plus": GTA5 | VFM_UDA_PLUS_PLUS,
    "gta5_cityscapes_hrda": GTA5 | HRDA,
    "gta5_cityscapes_mic_hrda": GTA5 | MIC_HRDA,
    "synthia_cityscapes_daformer": SYNTHIA | DAFORMER,
    "synthia_cityscapes_mic": SYNTHIA | MIC,
}


def _value(chosen: Experiment, path: str) -> Any:
    value: Any = asdict(chosen)
    for name in path.split("."):
        value = value[name]
    return value


@pytest.mark.parametrize("name", PAPER)
def test_published_numbers(name: str) -> None:
    chosen = experiment(name)
    expected = PUBLISHED | PAPER[name]
    assert {path: _value(chosen, path) for path in expected} == expected


@pytest.mark.parametrize("name", PAPER)
def test_every_weight_of_a_published_method_is_checked(name: str) -> None:
    weights = {field for field in asdict(experiment(name).method) if field.startswith("lambda_")}
    assert {f"method.{weight}" for weight in weights} <= set(PUBLISHED | PAPER[name])


def test_all_runs_of_the_paper_are_checked() -> None:
    checked = {*PAPER, *PUBLISHED_SELF_TRAINING}
    of_the_papers = ("gta5_cityscapes_", "synthia_cityscapes_")
    assert checked == {name for name in EXPERIMENTS if name.startswith(of_the_papers)}


@pytest.mark.parametrize("name", PUBLISHED_SELF_TRAINING)
def test_published_numbers_of_self_training(name: str) -> None:
    chosen = experiment(name)
    expected = SELF_TRAINING | PUBLISHED_SELF_TRAINING[name]
    assert {path: _value(chosen, path) for path in expected} == expected


def test_the_held_classes_are_lights_signs_people_and_vehicles() -> None:
    for name in ("gta5_cityscapes_daformer", "gta5_cityscapes_hrda", "synthia_cityscapes_mic"):
        chosen = experiment(name)
        names = class_set(chosen.data.classes).names
        held = {names[one] for one in chosen.method.fd_classes}
        background = {"road", "sidewalk", "building", "wall", "fence", "pole", "vegetation"}
        assert held == set(names) - background - {"terrain", "sky"}


def test_published_pixels() -> None:
    assert BGR_MEAN == (104.00698793, 116.66876762, 122.67891434)


def test_published_learning_rates() -> None:
    """The values of the published schedule at a few steps, the stop at 120,000 among them."""
    optimizer = experiment("gta5_cityscapes_advent").optimizer
    rates = [
        poly_lr(optimizer.segmenter_lr, step, optimizer.horizon, optimizer.power)
        for step in (0, 120_000, 250_000)
    ]
    assert rates == pytest.approx([2.5e-4, 2.5e-4 * 0.52**0.9, 0.0])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_complete(name: str) -> None:
    chosen = experiment(name)
    assert chosen.name == name
    assert chosen.method.name in METHODS
    if chosen.data.classes is not None:
        assert class_set(chosen.data.classes).num_classes >= 8
    assert chosen.run.steps <= chosen.optimizer.horizon
    assert len(inspect.getdoc(EXPERIMENTS[name]) or "") > 20


def test_an_unknown_experiment_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no experiment 'gta5_advent'; did you mean gta5_city"):
        experiment("gta5_advent")
    with pytest.raises(ConfigError, match="see advent-dist train --list"):
        experiment("zzz")
