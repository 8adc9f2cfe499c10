"""What is made of the class logits at anchors: distributions, their self-information, maps of both.

The background may be one of the classes, or not (`method.background`); see docs/detection.md.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from advent_dist.losses import self_information
from advent_dist.models.detection.output import Level


def probabilities(logits: Float[Tensor, "n a k"], background: str) -> Float[Tensor, "n c a 1"]:
    """The class distributions, without the background unless it is a class.

    Args:
        logits: of the background, which comes first, and C classes.
        background: as in the config.

    Returns:
        Of C + 1 classes or of C, as an image of one column.
    """
    if background == "renormalised":
        return _as_image(logits[..., 1:]).softmax(1)
    everything = _as_image(logits).softmax(1)
    return everything[:, 1:] if background == "dropped" else everything


def information(logits: Float[Tensor, "n a k"], background: str) -> Float[Tensor, "n c a 1"]:
    """Their weighted self-information (ADVENT, eq. 5); the sum over the classes is the entropy.

    It is divided by the logarithm of how many classes the distribution is of: all of them where the
    background's term is only left out.

    Args:
        logits: see `probabilities`.
        background: as in the config.
    """
    if background == "dropped":
        return self_information(_as_image(logits).softmax(1))[:, 1:]
    return self_information(probabilities(logits, background))


def as_map(values: Float[Tensor, "n c a 1"], level: Level) -> Float[Tensor, "n d h w"]:
    """The values of a level's anchors as a map, the classes of each anchor of a cell in a row.

    Args:
        values: of each class and anchor.
        level: the map that the anchors lie on.

    Returns:
        [n, anchors a cell * classes, height, width].
    """
    n, classes = values.shape[:2]
    height, width, in_cell = level
    cells = values.reshape(n, classes, height, width, in_cell).permute(0, 4, 1, 2, 3)
    return cells.reshape(n, in_cell * classes, height, width)


def _as_image(logits: Float[Tensor, "n a k"]) -> Float[Tensor, "n k a 1"]:
    return logits.transpose(1, 2)[..., None]
