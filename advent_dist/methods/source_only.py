"""Supervised training on the source alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from torch import Tensor

from advent_dist.config import SourceOnlyConfig
from advent_dist.methods.levels import fit_source, logged
from advent_dist.parallel.engine import Engine
from advent_dist.types import DomainBatch, Metrics


@final
class SourceOnly:
    """The baseline of adaptation and, with labelled target images as its source, the oracle."""

    adversarial: ClassVar[bool] = False

    def __init__(
        self, config: SourceOnlyConfig, engines: Mapping[str, Engine], source_prior: Tensor
    ) -> None:
        self.config = config
        self.engines = engines
        self.segmenter = engines["segmenter"]

    def step(self, batch: DomainBatch) -> Metrics:
        """Fit the source labels."""
        _, losses = fit_source(self.segmenter, batch, self.config, more=False)
        self.segmenter.step()
        return logged(losses)
