"""Methods that adapt a detector (ADVENT, section 4.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class DetectorSupervisedConfig:
    """What every method has: SSD's multibox loss on the source."""

    lambda_class: float = 1.0
    """Weight of the cross entropy of the matched anchors and of the hardest others."""

    lambda_box: float = 1.0
    """Weight of the smooth L1 loss of the matched anchors' boxes."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.startswith("lambda_"):
                fix = "a loss weight must be 0 or more, and finite"
                require(0 <= value < math.inf, f"method.{name}", value, fix)


@dataclass(frozen=True, kw_only=True)
class DetectorSourceOnlyConfig(DetectorSupervisedConfig):
    """Supervised training of a detector on the source alone: the baseline."""

    name: Literal["detector_source_only"] = "detector_source_only"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class DetectorMinEntConfig(DetectorSupervisedConfig):
    """Direct entropy minimisation of the class distributions at a target image's anchors."""

    name: Literal["detector_minent"] = "detector_minent"
    """Key of the method."""

    lambda_ent: float = 1e-3
    """Weight of the target entropy."""


@dataclass(frozen=True, kw_only=True)
class DetectorAdversarialConfig(DetectorSupervisedConfig):
    """What both methods with discriminators have."""

    lambda_adv: float = 1e-3
    """Weight of the adversarial loss."""


@dataclass(frozen=True, kw_only=True)
class DetectorAdventConfig(DetectorAdversarialConfig):
    """Adversarial adaptation of the class distributions at the anchors."""

    name: Literal["detector_advent"] = "detector_advent"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class DetectorAdventMinEntConfig(DetectorAdversarialConfig):
    """Adversarial and direct entropy minimisation of a detector in one training."""

    name: Literal["detector_advent_minent"] = "detector_advent_minent"
    """Key of the method."""

    lambda_ent: float = 1e-3
    """Weight of the target entropy."""
