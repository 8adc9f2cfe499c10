"""HRDA, and MIC on it: two resolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.methods.daformer import FeatureDistanceConfig
from advent_dist.config.methods.mic import MaskedConfig


@dataclass(frozen=True, kw_only=True)
class DetailConfig(FeatureDistanceConfig):
    """What every method has that also looks at parts in full resolution (HRDA)."""

    lambda_seg: float = 0.9
    """Weight of the cross entropy of both resolutions, fused."""

    lambda_seg_detail: float = 0.1
    """Weight of the cross entropy of the detail alone."""

    lambda_mix: float = 0.9
    """Weight of the cross entropy on mixed images of both resolutions, fused."""

    lambda_mix_detail: float = 0.1
    """Weight of the cross entropy on mixed images of the detail alone."""


@dataclass(frozen=True, kw_only=True)
class HRDAConfig(DetailConfig):
    """DAFormer in two resolutions: all of an image, and a part of it in detail (HRDA)."""

    name: Literal["hrda"] = "hrda"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class MICHRDAConfig(MaskedConfig, DetailConfig):
    """HRDA that also predicts hidden parts of target images (MIC on HRDA)."""

    name: Literal["mic_hrda"] = "mic_hrda"
    """Key of the method."""

    lambda_mask: float = 0.9
    """Weight of the cross entropy on masked images of both resolutions, fused."""

    lambda_mask_detail: float = 0.1
    """Weight of the cross entropy on masked images of the detail alone."""

    mask_block: int = 64
    """Side in pixels of the blocks that are hidden; MIC: 32 of crops of 512, 64 of 1024."""
