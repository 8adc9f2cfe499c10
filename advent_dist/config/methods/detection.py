"""Methods that adapt a detector (ADVENT, section 4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.methods.weights import require_weights
from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class DetectorSupervisedConfig:
    """What every method has: SSD's multibox loss on the source."""

    lambda_class: float = 1.0
    """Weight of the cross entropy of the matched anchors and of the hardest others."""

    lambda_box: float = 1.0
    """Weight of the smooth L1 loss of the matched anchors' boxes."""

    def __post_init__(self) -> None:
        require_weights(self)


@dataclass(frozen=True, kw_only=True)
class DetectorSourceOnlyConfig(DetectorSupervisedConfig):
    """Supervised training of a detector on the source alone: the baseline."""

    name: Literal["detector_source_only"] = "detector_source_only"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class DetectorAdaptationConfig(DetectorSupervisedConfig):
    """What every method that adapts has: which distributions it adapts."""

    levels: tuple[int, ...] | None = None
    """Maps of features whose anchors are adapted, 0 is the finest; none takes those of 4 x 4 cells
    or more."""

    background: Literal["class", "renormalised", "dropped"] = "class"
    """The background is a class like the others; or the distributions are those over the others
    alone, which sum to 1 again; or only its own term is left out, and they do not."""

    def __post_init__(self) -> None:
        super().__post_init__()
        levels = self.levels
        fix = "name each map once, from 0 on, or leave it out for those that are large enough"
        fits = levels is None or (
            len(levels) == len(set(levels)) > 0 and min(levels, default=-1) >= 0
        )
        require(fits, "method.levels", levels, fix)


@dataclass(frozen=True, kw_only=True)
class DetectorMinEntConfig(DetectorAdaptationConfig):
    """Direct entropy minimisation of the class distributions at a target image's anchors."""

    name: Literal["detector_minent"] = "detector_minent"
    """Key of the method."""

    lambda_ent: float = 1e-3
    """Weight of the target entropy."""

    entropy_range: float | None = None
    """Share of each image's anchors, those of highest entropy, that it is the mean of; none takes
    all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_share(self.entropy_range)


@dataclass(frozen=True, kw_only=True)
class DetectorAdversarialConfig(DetectorAdaptationConfig):
    """What both methods with discriminators have, one for each of the maps."""

    lambda_adv: float = 1e-3
    """Weight of the adversarial loss, the mean of the discriminators'."""

    adversary_sees: Literal["self_information", "probabilities"] = "self_information"
    """What the discriminators tell the domains by: self-information (ADVENT), or the distributions
    themselves (as AdaptSegNet, arXiv 1802.10349)."""

    gan_loss: Literal["vanilla", "least_squares"] = "vanilla"
    """Binary cross entropy of the discriminators' answers, or their squared error."""


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

    entropy_range: float | None = None
    """Share of each image's anchors, those of highest entropy, that it is the mean of; none takes
    all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_share(self.entropy_range)


def _require_share(share: float | None) -> None:
    fits = share is None or 0 < share <= 1
    require(fits, "method.entropy_range", share, "give a share in (0, 1]")
