"""Sizes, batch, workers and steps that fit a pair of domains, for CPUs and for GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config import Size

Device = Literal["cpu", "gpu"]

_LONGEST_SIDE: dict[Device, int] = {"cpu": 320, "gpu": 1024}
"""Pixels of what the network sees: minutes on two cores, and the paper's size of Cityscapes."""

_MULTIPLE = 8
"""Of pixels: the stride of the finest features that every decoder reads as a whole number."""

_BATCH, _LARGEST_BATCH = 2, 8
_PIXELS = 1024 * 512
"""Of an image of which a GPU takes `_BATCH`."""

_CPU_WORKERS, _CPU_STEPS = 2, 300

_SOURCE_EPOCHS, _TARGET_EPOCHS = 5, 40
"""The paper's 120,000 steps go so often through the images of GTA5 and of Cityscapes."""

_FEWEST_STEPS, _MOST_STEPS = 2_000, 120_000


@dataclass(frozen=True, kw_only=True)
class Domain:
    """What a recipe depends on of a folder of shards."""

    folder: str
    """Path or URL."""

    num_samples: int
    """Images."""

    labelled: bool
    """Whether they have labels."""

    size: Size
    """Width, height in pixels of a typical image."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Numbers of a run."""

    device: Device
    """What it is made for."""

    source_size: Size
    target_size: Size
    evaluation_size: Size

    batch_size: int
    """Images of each domain on one worker."""

    workers: int
    """Ranks."""

    steps: int
    """Optimiser steps, at which the learning rate is 0."""

    evaluate_every: int
    """Optimiser steps."""


def recipe_for(
    device: Device,
    count: int,
    source: Domain,
    target: Domain,
    evaluation: Domain | None,
    *,
    one_size: bool = False,
) -> Recipe:
    """A short recipe for CPUs, a long one for GPUs.

    Args:
        device: What to train on.
        count: GPUs, or CPU cores, that there are.
        source: The labelled images.
        target: Those that it is adapted to.
        evaluation: Those that it is evaluated on; none takes images of `target`.
        one_size: Whether source images get the size of target images.
    """
    fewest = min(source.num_samples, target.num_samples)
    workers = max(min(count if device == "gpu" else min(count, _CPU_WORKERS), fewest), 1)
    shaped = (target if one_size else source, target, evaluation or target)
    sizes = [_fitted(one.size, device) for one in shaped]
    batch = _BATCH
    if device == "gpu":
        most = max(width * height for width, height in sizes[:2])
        batch = min(max(_BATCH * _PIXELS // most, 1), _LARGEST_BATCH)
    steps = _CPU_STEPS
    if device == "gpu":
        images = max(
            _SOURCE_EPOCHS * source.num_samples,
            _TARGET_EPOCHS * target.num_samples,
        )
        hundreds = -(-images // (batch * workers * 100))
        steps = min(max(hundreds * 100, _FEWEST_STEPS), _MOST_STEPS)
    return Recipe(
        device=device,
        source_size=sizes[0],
        target_size=sizes[1],
        evaluation_size=sizes[2],
        batch_size=batch,
        workers=workers,
        steps=steps,
        evaluate_every=steps // 20 if device == "gpu" else 50,
    )


def _fitted(size: Size, device: Device) -> Size:
    """The size itself where it is small enough, or less of the same shape; in whole strides."""
    scale = min(_LONGEST_SIDE[device] / max(size), 1.0)
    width, height = (max(round(side * scale / _MULTIPLE) * _MULTIPLE, 32) for side in size)
    return width, height
