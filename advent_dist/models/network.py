"""What a segmenter needs from the network inside it."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from advent_dist.models.sliding import Window


class Detail(NamedTuple):
    """What a network made of a part of the images by itself."""

    logits: Tensor
    """[n, C, i, j]."""

    window: Window
    """The part, in pixels, the same of all images."""


class NetworkOutput(NamedTuple):
    """Logits at the network's own, lower resolution."""

    aux: Tensor | None
    """The auxiliary head's [n, C, h', w']; none without one."""

    main: Tensor
    """The main head's [n, C, h', w']."""

    features: list[Tensor]
    """What the heads read, [n, d, i, j] each, the deepest last."""

    detail: Detail | None = None
    """What was also seen of a part; none but in the training of a network of two resolutions."""


class Network(nn.Module):
    """A segmentation network: a normalised image in, logits at its own, lower resolution out."""

    align_corners: bool = True
    """How the logits lie on the image. True: the outermost logits belong to the outermost pixels
    (convolutions that stride from the corner). False: each belongs to the middle of its patch
    (plain transformers)."""

    @abstractmethod
    def forward(self, image: Tensor) -> NetworkOutput:
        """The logits of each head.

        Args:
            image: float [n, 3, h, w], normalised as the network wants it.
        """

    @abstractmethod
    def encode(self, image: Tensor) -> list[Tensor]:
        """The features alone, [n, d, i, j] each, the deepest last.

        Args:
            image: float [n, 3, h, w], normalised as the network wants it.
        """

    @property
    @abstractmethod
    def heads(self) -> list[nn.Module]:
        """The modules that turn features into logits; all the rest is the encoder."""


class SingleScale(Network):
    """A network that looks at an image once."""

    channels: int
    """Of the deepest features."""

    def forward(self, image: Tensor) -> NetworkOutput:
        """See `Network.forward`."""
        features = self.encode(image)
        return NetworkOutput(*self.decode(features), features)

    @abstractmethod
    def decode(self, features: list[Tensor]) -> tuple[Tensor | None, Tensor]:
        """Auxiliary logits, if there is such a head, and main logits, of `encode`'s features."""
