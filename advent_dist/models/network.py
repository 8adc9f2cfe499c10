"""What a segmenter needs from the network inside it."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class Network(nn.Module):
    """A segmentation network: a normalised image in, logits at its own, lower resolution out."""

    align_corners: bool = True
    """How the logits lie on the image. True: the outermost logits belong to the outermost pixels
    (convolutions that stride from the corner). False: each belongs to the middle of its patch
    (plain transformers)."""

    def forward(self, image: Tensor) -> tuple[Tensor | None, Tensor]:
        """Auxiliary logits, if there is such a head, and main logits; both [n, C, h', w'].

        Args:
            image: float [n, 3, h, w], normalised as the network wants it.
        """
        return self.decode(self.encode(image))

    @abstractmethod
    def encode(self, image: Tensor) -> list[Tensor]:
        """The features that the heads read, [n, d, i, j] each, the deepest last.

        Args:
            image: float [n, 3, h, w], normalised as the network wants it.
        """

    @abstractmethod
    def decode(self, features: list[Tensor]) -> tuple[Tensor | None, Tensor]:
        """What `forward` gives, of `encode`'s features."""

    @property
    @abstractmethod
    def heads(self) -> list[nn.Module]:
        """The modules that turn features into logits; all the rest is the encoder."""
