"""A comparison of two models in words that one can act on."""

from __future__ import annotations

from collections.abc import Sequence

from advent_dist.evaluation.paired import Comparison, Contrast

_NAMED = 4
"""Fields that a sentence has room for."""


def verdict(
    comparison: Comparison,
    ours: str,
    theirs: str,
    *,
    adaptation: bool,
    others: Sequence[str] = (),
    each: str = "training",
) -> str:
    """One to three sentences.

    Args:
        comparison: what was measured.
        ours: what the model that is judged is called.
        theirs: the same of the one that it is compared with.
        adaptation: whether the one is adapted and the other is not.
        others: config fields in which they differ for another reason; see `other_terms`.
        each: what each side is one of, where it is one.
    """
    sentences = _sentences(comparison, ours, theirs, adaptation and not others, each)
    if adaptation and others:
        named = ", ".join(others[:_NAMED])
        if len(others) > _NAMED:
            named += f" and {len(others) - _NAMED} more"
        sentences += f" Not by adaptation alone: they differ in {named}, too."
    return sentences


def _sentences(comparison: Comparison, ours: str, theirs: str, adaptation: bool, each: str) -> str:
    found = comparison.miou
    images = f"{comparison.images} images"
    drawn = images if comparison.seeds == 1 else f"{images}, {comparison.seeds} seeds"
    if found.low == found.high == 0:
        return f"Both score the same in each of {images}: more of them, or more seeds, say no more."
    if found.low > 0:
        claim = "Adaptation helps here" if adaptation else f"{ours} is better here than {theirs}"
    elif found.high < 0:
        claim = "Adaptation harms here" if adaptation else f"{ours} is worse here than {theirs}"
    else:
        return (
            f"No difference can be told from {drawn.replace(',', ' and')}: the interval goes from "
            f"a loss of {abs(found.low):.1f} to a gain of {abs(found.high):.1f} mIoU; "
            f"{_advice(comparison)}."
        )
    sentence = f"{claim}: {found.difference:+.1f} mIoU (95 % interval {interval(found)}; {drawn})."
    if comparison.seeds == 1:
        return f"{sentence} It is that of one {each} each: other seeds may differ."
    if comparison.seeds == 2:
        return f"{sentence} Of two seeds such an interval is often too short: train a third."
    return sentence


def interval(contrast: Contrast) -> str:
    """The 95 % interval, such as `+1.2 to +4.9`; a dash where there is none."""
    if contrast.low != contrast.low:
        return "-"
    return f"{contrast.low:+.1f} to {contrast.high:+.1f}"


def _advice(comparison: Comparison) -> str:
    more_images, more_seeds = "score more labelled images", "train more seeds"
    if comparison.seeds == 1:
        return f"{more_images}, or {more_seeds}"
    return more_seeds if comparison.share_of_seeds > 0.5 else more_images
