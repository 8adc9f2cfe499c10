"""What a segmenter needs from its decoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn


class Decoder(nn.Module):
    """Features in, one logit a class out.

    A subclass is built with the channels of each feature map, the number of classes and its width;
    None stands for the width of its source.
    """

    pyramid: ClassVar[bool]
    """It reads all features from a stride of 4 pixels on; else the deepest alone, which an encoder
    then keeps at `model.output_stride`."""

    align_corners: ClassVar[bool | None] = False
    """How its logits lie on the image (see `Network.align_corners`); None: as the features do."""

    @abstractmethod
    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits [n, C, h', w'], in the precision of the features.

        Args:
            features: [n, channels, h, w] each, the deepest last.
        """
