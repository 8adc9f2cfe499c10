"""ADVENT at scale: unsupervised domain adaptation for segmentation by entropy minimisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from advent_dist.runs.model import Model

__all__ = ["load"]


def load(
    url: str | Path,
    which: Literal["last", "best"] = "last",
    device: str | torch.device | None = None,
) -> Model:
    """A trained model: `train_ids, entropy = model.predict("photo.jpg")`.

    Args:
        url: Folder of a run or of an export, a path or s3:// URL.
        which: Checkpoint of a run; an export has one alone.
        device: Where it computes; none takes the GPU, if there is one.

    Raises:
        ConfigError: no run and no export is there.
        CheckpointError: it has no such checkpoint, or a damaged one.
    """
    # Here, since PyTorch takes seconds, and every command imports this package.
    from advent_dist.runs.model import load as load_model

    return load_model(url, which, device)
