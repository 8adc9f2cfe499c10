"""Models and photographs to pictures of what the models see in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from advent_dist.config import Size
from advent_dist.data.classes import ClassSet
from advent_dist.data.transforms import resize_image
from advent_dist.errors import DataError
from advent_dist.evaluation.counts import pixel_entropy
from advent_dist.runs.bands import CoarsePredictor, logit_bands
from advent_dist.runs.images import Images
from advent_dist.runs.results import Results, Seen

T = TypeVar("T")


Outcome = tuple[str, Seen | DataError]
"""An image's path, and what was seen in it or why it can't be read."""


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
        with ThreadPoolExecutor(1, "read") as reading, ThreadPoolExecutor(1, "write") as writing:
            upcoming = _ahead(reading, self.images.each(names))
            before: Future[Outcome] | None = None
            for name, image in zip(names, upcoming, strict=True):
                if isinstance(image, DataError):
                    yield name, image
                    continue
                write = self._segmented(name, image)
                if before is not None:
                    yield before.result()
                before = writing.submit(write)
            if before is not None:
                yield before.result()

    def _segmented(self, name: str, image: Image.Image) -> Callable[[], Outcome]:
        """What writes the pictures of an image."""
        shape, resized = (image.height, image.width), as_input(image, self.size).to(self.device)
        pixels = np.asarray(image) if self.results.overlays else None
        train_ids, entropy, mean = _segment(self.predictors, resized, shape)
        found = zip(*np.unique(train_ids, return_counts=True), strict=True)
        seen = Seen(
            by=self.by,
            stamp=self.images.stamps[name],
            entropy=mean,
            pixels={int(one): int(count) for one, count in found},
        )

        def write() -> Outcome:
            self.results.write(name, seen, train_ids, entropy, pixels)
            return name, seen

        return write


class Predicted(NamedTuple):
    """What was seen in images."""

    seen: dict[str, Seen]
    """By path, in order."""

    new: int
    """How many were not there already."""

    unreadable: list[str]
    """A message of each image that could not be read."""


def predict_missing(
    images: Images,
    results: Results,
    by: str,
    predict: Callable[[Sequence[str]], Iterator[Outcome]],
) -> Predicted:
    """Segment the images whose pictures are not there, whole, of the same file and models.

    Args:
        images: all of them.
        results: where the pictures are.
        by: digest of the models.
        predict: segments images, in any order; see `Predictor.predict`.

    Raises:
        DataError: see `Predictor.predict`.
    """
    there = results.there(images.stamps, by)
    todo = [name for name in images.stamps if name not in there]
    seen, unreadable = dict(there), dict[str, str]()
    for name, outcome in track(
        predict(todo),
        "predict",
        total=len(images.stamps),
        completed=len(there),
        console=Console(stderr=True),
    ):
        if isinstance(outcome, DataError):
            unreadable[name] = str(outcome)
        else:
            seen[name] = outcome
    return Predicted(
        seen={name: seen[name] for name in images.stamps if name in seen},
        new=len(todo) - len(unreadable),
        unreadable=[unreadable[name] for name in sorted(unreadable)],
    )


def _ahead(threads: ThreadPoolExecutor, items: Iterator[T]) -> Iterator[T]:
    """The same, the next one being made while the one before is worked on."""
    end = object()
    upcoming: Future[Any] = threads.submit(next, items, end)
    while (item := upcoming.result()) is not end:
        upcoming = threads.submit(next, items, end)
        yield item


def as_input(image: Image.Image, size: Size) -> UInt8[Tensor, "1 3 h w"]:
    """As an evaluation does it, so that pictures and scores are of the same predictions."""
    return resize_image(torch.from_numpy(np.array(image)).permute(2, 0, 1), size)[None]


def _segment(
    predictors: Sequence[CoarsePredictor],
    image: UInt8[Tensor, "1 3 h w"],
    shape: tuple[int, int],
) -> tuple[UInt8[np.ndarray, "i j"], UInt8[np.ndarray, "i j"], float]:
    """Train ids, 255 times the entropy, and its mean, at a size of `shape` = (height, width)."""
    train_ids, entropy = (torch.empty(shape, dtype=torch.uint8) for _ in range(2))
    total = 0.0
    for rows, logits in logit_bands(predictors, image, shape):
        train_ids[rows] = logits[0].argmax(0)
        exact = pixel_entropy(logits)[0]
        entropy[rows] = (255 * exact).round()
        total += exact.sum(dtype=torch.float64).item()
    mean = min(max(total / entropy.numel(), 0.0), 1.0)
    return train_ids.numpy(), entropy.numpy(), mean
