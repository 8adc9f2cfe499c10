"""MIC: hidden parts of target images are predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.methods.daformer import FeatureDistanceConfig
from advent_dist.config.methods.self_training import SelfTrainingConfig
from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class MaskedConfig:
    """What every method has that predicts hidden parts of target images (MIC, section 3.2)."""

    lambda_mask: float = 1.0
    """Weight of the cross entropy on masked images of the main head."""

    lambda_mask_aux: float = 0.1
    """Weight of the cross entropy on masked images of the auxiliary head."""

    mask_block: int = 32
    """Side in pixels of the blocks that are hidden; MIC: 32 of crops of 512, 64 of 1024. With
    `model.mask_token` the encoder's patches are hidden instead."""

    mask_ratio: float = 0.7
    """Share of the blocks, or patches, that are hidden."""

    mask_statistics: bool = True
    """Whether BatchNorm's running statistics, which evaluations normalise by, take in images with
    hidden parts, as published, where few layers have them. Of a CNN with BatchNorm throughout they
    become those of images that nobody will show it: switch it off."""

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[misc]  # of the config that it is mixed into
        require(self.mask_block >= 1, "method.mask_block", self.mask_block, "must be at least 1")
        ratio = self.mask_ratio
        require(0 <= ratio < 1, "method.mask_ratio", ratio, "give 0 <= share < 1")


@dataclass(frozen=True, kw_only=True)
class MICConfig(MaskedConfig, FeatureDistanceConfig):
    """DAFormer that also predicts hidden parts of target images (MIC)."""

    name: Literal["mic"] = "mic"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class MICDACSConfig(MaskedConfig, SelfTrainingConfig):
    """DACS that also predicts hidden parts of target images (MIC on DACS)."""

    name: Literal["mic_dacs"] = "mic_dacs"
    """Key of the method."""
