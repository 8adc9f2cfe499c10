"""Labels of rare classes (Menon et al., arXiv 2007.07314)."""

from __future__ import annotations

from typing import final

import torch

from advent_dist.config.methods.supervised import SupervisedConfig
from advent_dist.losses import at_least_fp32
from advent_dist.methods.parts import Parts
from advent_dist.models.segmenter import SegmenterOutput


@final
class LogitAdjustment:
    """logits + tau log p, p being a class's share of the source's labelled pixels (eq. 10).

    A network that is right with them is right without them where all classes are equally frequent
    (tau = 1), so that it has no reason to leave rare ones out. Of classes that the source hasn't,
    nothing is known: theirs stay as they are, and the labels teach that they aren't there.

    Args:
        config: Of the method, with tau = `logit_adjustment`; at 0 nothing changes.
        parts: With the source's class frequencies.
    """

    def __init__(self, config: SupervisedConfig, parts: Parts) -> None:
        share, tau = parts.source_prior, config.logit_adjustment
        logarithm = torch.where(share > 0, share, torch.ones_like(share)).log()
        self._offset = (tau * logarithm)[:, None, None] if tau else None

    def __call__(self, output: SegmenterOutput) -> SegmenterOutput:
        """The output with all of its logits adjusted, those of the detail (HRDA) too."""
        offset = self._offset
        if offset is None:
            return output
        aux, detail = output.aux, output.detail
        return output._replace(
            main=at_least_fp32(output.main) + offset,
            aux=None if aux is None else at_least_fp32(aux) + offset,
            detail=None
            if detail is None
            else detail._replace(logits=at_least_fp32(detail.logits) + offset),
        )
