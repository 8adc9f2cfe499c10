"""DAFormer: self-training that stays near the initial features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.methods.self_training import SelfTrainingConfig
from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class FeatureDistanceConfig(SelfTrainingConfig):
    """What every method has that stays near the initial features (DAFormer, section 3.3)."""

    lambda_fd: float = 0.005
    """Weight of the distance of the deepest features to those of the initial encoder."""

    fd_classes: tuple[int, ...] = ()
    """Train ids of the classes whose source features are held (DAFormer: things); none: all."""

    fd_min_share: float = 0.75
    """Share of a feature's pixels that its class must have to be held."""

    teacher_decay: float = 0.999
    """Share of the teacher that an update keeps, once it has had that many that a plain mean would
    keep more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        share = self.fd_min_share
        require(0 < share <= 1, "method.fd_min_share", share, "give a share in (0, 1]")
        valid = all(0 <= one < 255 for one in self.fd_classes)
        require(valid, "method.fd_classes", self.fd_classes, "give train ids, 0 to 254")


@dataclass(frozen=True, kw_only=True)
class DAFormerConfig(FeatureDistanceConfig):
    """DACS with the features of things held near those of the initial encoder (DAFormer)."""

    name: Literal["daformer"] = "daformer"
    """Key of the method."""
