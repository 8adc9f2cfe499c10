"""How the segmenter is adapted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro
from pydantic import Discriminator

from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class _SupervisedConfig:
    """What every method has: the supervised loss on the source."""

    lambda_seg: float = 1.0
    """Weight of the cross entropy of the main head."""

    lambda_seg_aux: float = 0.1
    """Weight of the cross entropy of the auxiliary head."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.startswith("lambda_"):
                fix = "a loss weight must be 0 or more, and finite"
                require(0 <= value < math.inf, f"method.{name}", value, fix)


@dataclass(frozen=True, kw_only=True)
class SourceOnlyConfig(_SupervisedConfig):
    """Supervised training on the source alone: the baseline."""

    name: Literal["source_only"] = "source_only"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class MinEntConfig(_SupervisedConfig):
    """Direct entropy minimisation on the target (ADVENT, section 3.1)."""

    name: Literal["minent"] = "minent"
    """Key of the method."""

    lambda_ent: float = 1e-3
    """Weight of the target entropy of the main head."""

    lambda_ent_aux: float = 2e-4
    """Weight of the target entropy of the auxiliary head."""

    entropy_range: float | None = None
    """ER: share of each image's pixels, those of highest entropy, that the loss is taken over (the
    paper: 0.3)."""

    lambda_prior: float = 0.0
    """CP: weight of the class-ratio prior; 0 leaves it out."""

    prior_mu: float = 0.5
    """CP: relaxation mu in 0..1 of the source's class ratios."""

    def __post_init__(self) -> None:
        super().__post_init__()
        share = self.entropy_range
        require(
            share is None or 0 < share <= 1, "method.entropy_range", share, "give a share in (0, 1]"
        )
        require(0 <= self.prior_mu <= 1, "method.prior_mu", self.prior_mu, "give a value in 0..1")


@dataclass(frozen=True, kw_only=True)
class _AdversarialConfig(_SupervisedConfig):
    """What every method with discriminators has."""

    lambda_adv: float = 1e-3
    """Weight of the adversarial loss of the main head."""

    lambda_adv_aux: float = 2e-4
    """Weight of the adversarial loss of the auxiliary head."""

    adversary_sees: Literal["self_information", "probabilities"] = "self_information"
    """What the discriminators tell the domains by: self-information maps (ADVENT), or the softmax
    itself (AdaptSegNet, arXiv 1802.10349)."""

    gan_loss: Literal["vanilla", "least_squares"] = "vanilla"
    """Binary cross entropy of the discriminators' answers, or their squared error."""


@dataclass(frozen=True, kw_only=True)
class AdventConfig(_AdversarialConfig):
    """Adversarial adaptation of the output (ADVENT, section 3.2; AdaptSegNet)."""

    name: Literal["advent"] = "advent"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class AdventMinEntConfig(_AdversarialConfig):
    """Adversarial and direct entropy minimisation in one training."""

    name: Literal["advent_minent"] = "advent_minent"
    """Key of the method."""

    lambda_ent: float = 1e-3
    """Weight of the target entropy of the main head."""

    lambda_ent_aux: float = 2e-4
    """Weight of the target entropy of the auxiliary head."""


MethodConfig = Annotated[
    SourceOnlyConfig | MinEntConfig | AdventConfig | AdventMinEntConfig,
    Discriminator("name"),
    tyro.conf.AvoidSubcommands,
]
