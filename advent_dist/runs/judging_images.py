"""The images that trained runs are scored and shown on."""

from __future__ import annotations

from dataclasses import replace

import torch

from advent_dist.config import DataConfig
from advent_dist.data.classes import ClassSet
from advent_dist.data.evaluation_loader import E, EvaluationLoader, target_images
from advent_dist.runs.classes import require_agreement


def images_to_score(
    data: DataConfig, classes: ClassSet, url: str, folder: str | None, device: torch.device
) -> EvaluationLoader[E]:
    """The images of a folder, or those that a run was evaluated on.

    Args:
        data: The run's.
        classes: The run's.
        url: The run's folder, for messages.
        folder: Shards, relative to where the command runs; none takes the run's own.
        device: Where they are looked at.

    Raises:
        DataError: they are of other classes, or can't be read.
    """
    if folder is not None:
        data = replace(data, root=folder, evaluation="")
    loader: EvaluationLoader[E] = target_images(
        data, rank=0, world_size=1, pinned=device.type == "cuda"
    )
    require_agreement(classes, url, loader.manifest.classes_of(data.labels), loader.url)
    return loader


def images_to_show(data: DataConfig, folder: str | None) -> EvaluationLoader[E]:
    """The same to look at; a folder is relative to `data.root` here."""
    if folder is None:
        return target_images(data, rank=0, world_size=1)
    return EvaluationLoader(data, folder, rank=0, world_size=1, labelled=None)
