"""Experiments on further data sets than the paper's: one function = one complete run.

Streets are read at half their size, with the paper's weights and rates; start from the ImageNet
file: --model.weights DeepLab_resnet_pretrained_imagenet.pth. They reproduce no published score.
"""

from __future__ import annotations

from advent_dist.config import (
    AdventConfig,
    AugmentConfig,
    ClusterConfig,
    DataConfig,
    Experiment,
    MethodConfig,
    OptimizerConfig,
    RunConfig,
    SourceOnlyConfig,
)

_CITYSCAPES = (1024, 512)
_ACDC = (960, 540)
"""Width, height in pixels; Dark Zurich has the cameras of ACDC."""


def _from_cityscapes(name: str, method: MethodConfig, target: str) -> Experiment:
    """Cityscapes -> the same streets' classes in weather or at night."""
    return Experiment(
        name=name,
        data=DataConfig(
            source="cityscapes/train_labelled",
            target=f"{target}/train",
            evaluation=f"{target}/val",
            source_evaluation="cityscapes/val",
            classes="cityscapes19",
            source_size=_CITYSCAPES,
            target_size=_ACDC,
            evaluation_size=_ACDC,
        ),
        method=method,
        run=RunConfig(steps=120_000, report_every=100),
        cluster=ClusterConfig(gpus_per_worker="auto"),
    )


def cityscapes_acdc_source_only() -> Experiment:
    """Cityscapes -> ACDC (fog, night, rain, snow) without adaptation."""
    return _from_cityscapes("cityscapes_acdc_source_only", SourceOnlyConfig(), "acdc")


def cityscapes_acdc_advent() -> Experiment:
    """Cityscapes -> ACDC (fog, night, rain, snow) by adversarial entropy minimisation."""
    return _from_cityscapes("cityscapes_acdc_advent", AdventConfig(), "acdc")


def cityscapes_dark_zurich_source_only() -> Experiment:
    """Cityscapes -> Dark Zurich at night without adaptation."""
    return _from_cityscapes("cityscapes_dark_zurich_source_only", SourceOnlyConfig(), "dark_zurich")


def cityscapes_dark_zurich_advent() -> Experiment:
    """Cityscapes -> Dark Zurich at night by adversarial entropy minimisation."""
    return _from_cityscapes("cityscapes_dark_zurich_advent", AdventConfig(), "dark_zurich")


def _urbansyn(name: str, method: MethodConfig) -> Experiment:
    """UrbanSyn -> Cityscapes, whose classes and size it has."""
    return Experiment(
        name=name,
        data=DataConfig(
            source="urbansyn/train",
            target="cityscapes/train",
            evaluation="cityscapes/val",
            classes="cityscapes19",
            source_size=_CITYSCAPES,
            target_size=_CITYSCAPES,
            evaluation_size=_CITYSCAPES,
        ),
        method=method,
        run=RunConfig(steps=120_000, report_every=100),
        cluster=ClusterConfig(gpus_per_worker="auto"),
    )


def urbansyn_cityscapes_source_only() -> Experiment:
    """UrbanSyn -> Cityscapes without adaptation."""
    return _urbansyn("urbansyn_cityscapes_source_only", SourceOnlyConfig())


def urbansyn_cityscapes_advent() -> Experiment:
    """UrbanSyn -> Cityscapes by adversarial entropy minimisation."""
    return _urbansyn("urbansyn_cityscapes_advent", AdventConfig())


def _loveda(name: str, method: MethodConfig) -> Experiment:
    """LoveDA, city -> countryside: whole pictures, of which training sees crops.

    Crop, batch and steps are those of the data set's own benchmark (Junjue-Wang/LoveDA).
    """
    size = (1024, 1024)
    return Experiment(
        name=name,
        data=DataConfig(
            source="loveda/urban/train",
            target="loveda/rural/train",
            evaluation="loveda/rural/val",
            source_evaluation="loveda/urban/val",
            source_size=size,
            target_size=size,
            evaluation_size=size,
            batch_size_per_rank=8,
            workers_per_rank=4,
            augment=AugmentConfig(crop=(512, 512), flip=0.5),
        ),
        method=method,
        optimizer=OptimizerConfig(horizon=15_000),
        run=RunConfig(steps=10_000, report_every=100),
        cluster=ClusterConfig(gpus_per_worker="auto"),
    )


def loveda_urban_rural_source_only() -> Experiment:
    """LoveDA, city -> countryside, without adaptation. 7 classes of land, from the air."""
    return _loveda("loveda_urban_rural_source_only", SourceOnlyConfig())


def loveda_urban_rural_advent() -> Experiment:
    """LoveDA, city -> countryside, by adversarial entropy. 7 classes of land, from the air."""
    return _loveda("loveda_urban_rural_advent", AdventConfig())


BENCHMARKS = (
    cityscapes_acdc_source_only,
    cityscapes_acdc_advent,
    cityscapes_dark_zurich_source_only,
    cityscapes_dark_zurich_advent,
    urbansyn_cityscapes_source_only,
    urbansyn_cityscapes_advent,
    loveda_urban_rural_source_only,
    loveda_urban_rural_advent,
)
"""All of them."""
