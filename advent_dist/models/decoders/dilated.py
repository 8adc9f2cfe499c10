"""DeepLab-v2's classifier, at the resolution of the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from advent_dist.models.decoders.base import Decoder

_DILATIONS = (6, 12, 18, 24)
_STD = 0.01
"""Standard deviation of weights at first, here and in the published code."""


class DilatedHead(nn.Module):
    """Sum of four dilated 3x3 convolutions: DeepLab-v2's classifier (arXiv 1606.00915).

    Parameters are named as in the published networks, so that all our segmenters share the class.

    Some published code returns from within the loop that sums, so that dilations 6 and 12 alone
    count; the others are in its files, as they were drawn. AdaptSegNet's does
    (github.com/wasidennis/AdaptSegNet, model/deeplab.py and deeplab_multi.py) and DACS'
    (github.com/vikolss/DACS, model/deeplabv2.py); ADVENT's, DADA's, FDA's, BDL's and CLAN's sum all
    four.

    Args:
        in_channels: of the features.
        num_classes: C.
        dilations: how many of the four there are, from the smallest dilation on.
    """

    def __init__(self, in_channels: int, num_classes: int, dilations: int = 4) -> None:
        super().__init__()
        convolutions = [
            nn.Conv2d(in_channels, num_classes, kernel_size=3, padding=rate, dilation=rate)
            for rate in _DILATIONS[:dilations]
        ]
        for convolution in convolutions:
            nn.init.normal_(convolution.weight, std=_STD)
        self.conv2d_list = nn.ModuleList(convolutions)

    def forward(self, features: Float[Tensor, "n d h w"]) -> Float[Tensor, "n c h w"]:
        """Logits of the classes.

        Args:
            features: [n, in_channels, h, w].

        Returns:
            [n, num_classes, h, w], in the precision of the features.
        """
        first, *others = self.conv2d_list
        logits: Tensor = first(features)
        for convolution in others:
            logits = logits + convolution(features)
        return logits


def sums_two(tensors: Mapping[str, Tensor]) -> bool:
    """Whether four convolutions are of a network that sums two: the others are as they were drawn.

    Args:
        tensors: a head's, by its names.
    """
    weights = [tensors.get(f"conv2d_list.{place}.weight") for place in range(len(_DILATIONS))]
    drawn = [
        weight is not None and abs(weight.float().std().item() / _STD - 1) < 0.01
        for weight in weights
    ]
    return drawn == [False, False, True, True]


class DilatedDecoder(DilatedHead, Decoder):
    """That head on the deepest features (`model.decoder = deeplab`); it has no width."""

    pyramid = False
    align_corners = None

    def __init__(self, channels: Sequence[int], num_classes: int, width: int | None) -> None:
        super().__init__(channels[-1], num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:  # type: ignore[override]
        """Logits at the resolution of the deepest features."""
        return super().forward(features[-1])
