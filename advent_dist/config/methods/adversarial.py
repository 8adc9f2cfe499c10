"""Methods with discriminators: AdvEnt and AdaptSegNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.methods.supervised import SupervisedConfig


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig(SupervisedConfig):
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
class AdventConfig(AdversarialConfig):
    """Adversarial adaptation of the output (ADVENT, section 3.2; AdaptSegNet)."""

    name: Literal["advent"] = "advent"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class AdventMinEntConfig(AdversarialConfig):
    """Adversarial and direct entropy minimisation in one training."""

    name: Literal["advent_minent"] = "advent_minent"
    """Key of the method."""

    lambda_ent: float = 1e-3
    """Weight of the target entropy of the main head."""

    lambda_ent_aux: float = 2e-4
    """Weight of the target entropy of the auxiliary head."""
