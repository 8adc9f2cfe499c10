"""MinEnt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from advent_dist.config.methods.supervised import SupervisedConfig
from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class MinEntConfig(SupervisedConfig):
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

    entropy_penalty: float | None = None
    """Exponent eta of (e^2 + 1e-8)^eta, which takes the place of a pixel's entropy e, so that sure
    pixels count less (FDA, arXiv 2004.05498: 2); none takes e itself."""

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
        eta = self.entropy_penalty
        fix = "must be positive, and finite"
        require(eta is None or 0 < eta < math.inf, "method.entropy_penalty", eta, fix)
        require(0 <= self.prior_mu <= 1, "method.prior_mu", self.prior_mu, "give a value in 0..1")
