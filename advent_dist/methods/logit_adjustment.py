"""Labels of rare classes (Menon et al., arXiv 2007.07314)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

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

    def __call__(self, output: SegmenterOutput, where: Tensor | None = None) -> SegmenterOutput:
        """The output with all of its logits adjusted, those of the detail (HRDA) too.

        Args:
            output: Of images [n, 3, h, w].
            where: Pixels that have the source's labels, bool [n, h, w]; all by default.
        """
        if self._offset is None:
            return output
        aux, detail = output.aux, output.detail
        if detail is not None:
            there = None if where is None else detail.window.of(where)
            detail = detail._replace(logits=self._of(detail.logits, there))
        return output._replace(
            main=self._of(output.main, where),
            aux=None if aux is None else self._of(aux, where),
            detail=detail,
        )

    def _of(self, logits: Tensor, where: Tensor | None) -> Tensor:
        assert self._offset is not None
        offset = self._offset if where is None else self._offset * where[:, None]
        return at_least_fp32(logits) + offset
