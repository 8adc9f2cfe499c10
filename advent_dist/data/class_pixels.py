"""How many pixels each class has in each sample, as a manifest tells it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def to_text(histogram: Sequence[int]) -> str:
    """`ID:PIXELS ID:PIXELS ...` of the classes that have some.

    Args:
        histogram: pixels of each class.
    """
    return " ".join(f"{one}:{pixels}" for one, pixels in enumerate(histogram) if pixels)


def from_text(texts: Sequence[str], num_classes: int) -> npt.NDArray[np.int64]:
    """Pixels of each sample and class, int64 [samples, num_classes]; of other ids none.

    Args:
        texts: what `to_text` gave, one a sample.
        num_classes: C.
    """
    counts = np.zeros((len(texts), num_classes), np.int64)
    for sample, text in enumerate(texts):
        for pair in text.split():
            one, pixels = pair.split(":")
            if int(one) < num_classes:
                counts[sample, int(one)] = int(pixels)
    return counts
