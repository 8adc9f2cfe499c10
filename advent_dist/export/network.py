"""What is exported of a run: pictures in, logits out, all that lies between in the graph."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from advent_dist.config import Sliding
from advent_dist.models.segmenter import Segmenter
from advent_dist.models.upsampling import CoarseLogits
from advent_dist.models.window_grid import WindowGrid


class ExportedNetwork(nn.Module):
    """A segmenter with its normalisation, its windows, as one batch, and its upsampling.

    Args:
        segmenter: in eval mode.
        sliding: the windows that images are seen in; none for images as a whole.
    """

    def __init__(self, segmenter: Segmenter, sliding: Sliding | None) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.sliding = sliding

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c h w"]:
        """Logits of the main head, at the size of the images.

        Args:
            images: RGB in 0..255.
        """
        if self.sliding is None:
            main: Tensor = self.segmenter(images).main
            return main
        n, _, height, width = images.shape
        window, stride = self.sliding.window, self.sliding.stride
        grid = WindowGrid((n, height, width), window, stride, images.device)
        logits: Tensor = self.segmenter(grid.cut(images)).main
        if self.sliding.average == "logits":
            return grid.averaged(logits)
        return CoarseLogits.of_probabilities(grid.averaged(logits.softmax(1))).values
