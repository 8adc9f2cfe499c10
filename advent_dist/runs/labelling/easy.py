"""Which images of a target a model is sure of (IntraDA, arXiv 2004.07703, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence


def easy_and_hard(
    entropies: Sequence[float], share: float
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Numbers of the images, ascending: the floor(share * n) of lowest entropy, and the others.

    Args:
        entropies: of each image, the mean over its pixels. What IntraDA ranks by is this over the
            number of classes.
        share: of the images that are easy, lambda in the paper, where 0.67 is best.
    """
    ranked = sorted(range(len(entropies)), key=lambda number: entropies[number])
    count = int(share * len(entropies))
    return tuple(sorted(ranked[:count])), tuple(sorted(ranked[count:]))
