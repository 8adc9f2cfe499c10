"""Experiments of detectors: Cityscapes in fog (ADVENT, section 4.4), and streets with boxes."""

from __future__ import annotations

from collections.abc import Callable

from advent_dist.config import (
    AugmentConfig,
    ClusterConfig,
    DataConfig,
    DetectorAdventConfig,
    DetectorConfig,
    DetectorMinEntConfig,
    DetectorSourceOnlyConfig,
    Experiment,
    MethodConfig,
    OptimizerConfig,
    RunConfig,
)

_SSD = AugmentConfig(zoom_out=0.5, iou_crop=True, flip=0.5, jitter=0.3)
"""SSD's own changes to training images (arXiv 1512.02325, section 2.2)."""


def _foggy(name: str, method: MethodConfig) -> Experiment:
    """Cityscapes -> Foggy Cityscapes by SSD-300. What the paper leaves open is as SSD has it."""
    return Experiment(
        name=name,
        data=DataConfig(
            source="cityscapes_boxes/train",
            target="foggy_cityscapes_boxes/train",
            evaluation="foggy_cityscapes_boxes/val",
            labels="boxes",
            classes="cityscapes_boxes8",
            source_size=(300, 300),
            target_size=(300, 300),
            evaluation_size=(300, 300),
            batch_size_per_rank=8,
            evaluation_batch_size_per_rank=8,
            augment=_SSD,
        ),
        model=DetectorConfig(detector="ssd300_vgg16"),
        method=method,
        optimizer=OptimizerConfig(
            segmenter="sgd", segmenter_lr=1e-3, head_lr_multiplier=1.0, horizon=150_000
        ),
        run=RunConfig(steps=120_000, global_batch_size=32, report_every=100),
        cluster=ClusterConfig(gpus_per_worker="auto"),
    )


def cityscapes_foggy_source_only() -> Experiment:
    """Cityscapes -> Foggy Cityscapes, SSD-300 without adaptation.

    Published: 14.7 mAP. Start from VGG-16 of ImageNet: `--model.weights vgg16_reducedfc.pth`, or
    torchvision's `vgg16-397923af.pth` or `vgg16_features-amdegroot-88682ab5.pth`.
    """
    return _foggy("cityscapes_foggy_source_only", DetectorSourceOnlyConfig())


def cityscapes_foggy_minent() -> Experiment:
    """Cityscapes -> Foggy Cityscapes, SSD-300 by direct entropy minimisation.

    For weights to start from see cityscapes_foggy_source_only.
    """
    return _foggy("cityscapes_foggy_minent", DetectorMinEntConfig())


def cityscapes_foggy_advent() -> Experiment:
    """Cityscapes -> Foggy Cityscapes, SSD-300 by adversarial entropy minimisation.

    Published: 26.2 mAP. For weights to start from see cityscapes_foggy_source_only.
    """
    return _foggy("cityscapes_foggy_advent", DetectorAdventConfig())


def _streets_boxes(
    name: str, method: MethodConfig, source: str = "streets_boxes/clean/train"
) -> Experiment:
    """Boxes of procedural streets, clean -> fog: needs no data set, no GPU and no download."""
    return Experiment(
        name=name,
        data=DataConfig(
            source=source,
            target="streets_boxes/fog/train",
            evaluation="streets_boxes/fog/tune",
            held_out="streets_boxes/fog/val",
            source_evaluation="streets_boxes/clean/val",
            labels="boxes",
            classes="cityscapes_boxes8",
            source_size=(320, 160),
            target_size=(320, 160),
            evaluation_size=(320, 160),
            batch_size_per_rank=4,
            evaluation_batch_size_per_rank=4,
            augment=AugmentConfig(iou_crop=True, flip=0.5),
        ),
        model=DetectorConfig(detector="ssdlite320_mobilenet_v3_large", discriminator_width=32),
        method=method,
        optimizer=OptimizerConfig(
            segmenter="adamw", segmenter_lr=1e-3, head_lr_multiplier=1.0, horizon=1000
        ),
        run=RunConfig(steps=1000, evaluate_every=250, checkpoint_every=250),
        cluster=ClusterConfig(workers=2),
    )


def streets_boxes_source_only() -> Experiment:
    """Boxes of procedural streets, clean -> fog, without adaptation. Two CPU cores."""
    return _streets_boxes("streets_boxes_source_only", DetectorSourceOnlyConfig())


def streets_boxes_minent() -> Experiment:
    """Boxes of procedural streets, clean -> fog, by direct entropy minimisation. Two CPU cores."""
    return _streets_boxes("streets_boxes_minent", DetectorMinEntConfig(lambda_ent=1e-2))


def streets_boxes_advent() -> Experiment:
    """Boxes of procedural streets, clean -> fog, by adversarial entropy. Two CPU cores."""
    return _streets_boxes("streets_boxes_advent", DetectorAdventConfig(lambda_adv=1e-2))


def streets_boxes_oracle() -> Experiment:
    """Boxes of streets in fog from their own labels: what adaptation could reach at best."""
    return _streets_boxes(
        "streets_boxes_oracle",
        DetectorSourceOnlyConfig(),
        source="streets_boxes/fog/train_labelled",
    )


DETECTION: tuple[Callable[[], Experiment], ...] = (
    cityscapes_foggy_source_only,
    cityscapes_foggy_minent,
    cityscapes_foggy_advent,
    streets_boxes_source_only,
    streets_boxes_minent,
    streets_boxes_advent,
    streets_boxes_oracle,
)
"""All of them."""
