"""Models and photographs to pictures of what the models see in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from advent_dist.config import Size
from advent_dist.data.classes import ClassSet
from advent_dist.data.resizing import resize_image
from advent_dist.evaluation.certainty import pixel_entropy
from advent_dist.runs.bands import CoarsePredictor, logit_bands
from advent_dist.runs.images import Images
from advent_dist.runs.prediction import Outcome, predict_each
from advent_dist.runs.results import Results
from advent_dist.runs.seen import Seen


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Models, and where the images come from and the pictures go to.

    For NAME.jpg it writes
    - NAME_color.png: RGB, each class in its colour of the palette;
    - NAME_trainid.png: 8-bit grey, the train ids;
    - NAME_overlay.png, where asked: the mean of the image and its colours;
    - NAME_entropy.png: 8-bit grey, 255 times the normalised entropy, so white is most uncertain.
    """

    predictors: Sequence[CoarsePredictor]
    """The models, in eval mode; several are averaged, logits by logits."""

    images: Images
    """What is segmented, each image at its own resolution."""

    results: Results
    """Where the pictures go."""

    classes: ClassSet
    """What the models tell apart."""

    size: Size
    """Width, height in pixels that the images are resized to for the models (bicubic)."""

    device: torch.device
    """Where the models are."""

    by: str
    """Digest of the models and of how they look at images."""

    def predict(self, names: Sequence[str]) -> Iterator[Outcome]:
        """Segment these images, in order; what is yielded has its pictures written.

        The next image is read, and the pictures of the one before are written, while one is
        segmented.

        Raises:
            DataError: storage is away, or can't be written to.
        """
        return predict_each(self.images, names, self._segmented)

    def _segmented(self, name: str, image: Image.Image) -> Callable[[], Seen]:
        """What writes the pictures of an image."""
        shape, resized = (image.height, image.width), as_input(image, self.size).to(self.device)
        pixels = np.asarray(image) if self.results.overlays else None
        train_ids, entropy, mean = segment(logit_bands(self.predictors, resized, shape), shape)
        counts = torch.bincount(torch.from_numpy(train_ids).flatten()).tolist()
        seen = Seen(
            by=self.by,
            stamp=self.images.stamps[name],
            entropy=mean,
            found={train_id: count for train_id, count in enumerate(counts) if count},
        )

        def write() -> Seen:
            self.results.write(name, seen, train_ids, entropy, pixels)
            return seen

        return write


def as_input(image: Image.Image, size: Size) -> UInt8[Tensor, "1 3 h w"]:
    """As an evaluation does it, so that pictures and scores are of the same predictions."""
    return resize_image(torch.from_numpy(np.array(image)).permute(2, 0, 1), size)[None]


def segment(
    bands: Iterable[tuple[slice, Float[Tensor, "1 c _ j"]]], shape: tuple[int, int]
) -> tuple[UInt8[np.ndarray, "i j"], UInt8[np.ndarray, "i j"], float]:
    """Train ids, 255 times the entropy, and its mean, of an image.

    Args:
        bands: rows and their logits, from top to bottom.
        shape: height, width.
    """
    train_ids, entropy = (torch.empty(shape, dtype=torch.uint8) for _ in range(2))
    total = 0.0
    for rows, logits in bands:
        train_ids[rows] = logits[0].argmax(0)
        exact = pixel_entropy(logits)[0]
        entropy[rows] = (255 * exact).round()
        total += exact.sum(dtype=torch.float64).item()
    mean = min(max(total / entropy.numel(), 0.0), 1.0)
    return train_ids.numpy(), entropy.numpy(), mean
