"""Images seen several times, larger, smaller and mirrored, and the mean of what is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor

from advent_dist.models.upsampling import CoarseLogits


@torch.no_grad()
def augmented(
    look: Callable[[Tensor], CoarseLogits],
    images: Shaped[Tensor, "n 3 h w"],
    scales: Sequence[float],
    *,
    flip: bool,
    multiple_of: int = 1,
) -> CoarseLogits:
    """The mean probabilities over all scales, and where asked over the mirror images of each.

    One look is in the network at a time.

    Args:
        look: makes logits of images of any size, in 0..255.
        images: RGB in 0..255.
        scales: factors of height and width (bicubic).
        flip: whether each is also seen with left and right exchanged.
        multiple_of: what height and width are multiples of, at every scale but 1.

    Returns:
        Logits whose softmax is the mean, at the size of the images.
    """
    shape = (images.shape[2], images.shape[3])
    total = torch.zeros(())
    for scale in scales:
        scaled = _scaled(images, scale, multiple_of)
        for mirrored in (False, True) if flip else (False,):
            seen = look(scaled.flip(-1) if mirrored else scaled)
            probabilities = seen.upsample(shape).softmax(1)
            total = (probabilities.flip(-1) if mirrored else probabilities).add_(total)
    return CoarseLogits.of_probabilities(total.div_(len(scales) * (1 + flip)))


def _scaled(images: Tensor, scale: float, multiple_of: int) -> Tensor:
    if scale == 1:
        return images
    height, width = (
        multiple_of * max(1, round(side * scale / multiple_of)) for side in images.shape[2:]
    )
    scaled = F.interpolate(
        images.float(), (height, width), mode="bicubic", align_corners=False, antialias=True
    )
    return scaled.clamp(0, 255)
