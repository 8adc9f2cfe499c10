"""Models and photographs to pictures of what the models see in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from advent_dist.config import Size
from advent_dist.data.classes import ClassSet
from advent_dist.data.store import Folder
from advent_dist.data.transforms import resize_image
from advent_dist.errors import DataError, UnavailableError
from advent_dist.evaluation.counts import pixel_entropy
from advent_dist.runs.bands import CoarsePredictor, logit_bands
from advent_dist.runs.images import KINDS, ImageFiles
from advent_dist.runs.results import Results, Seen

T = TypeVar("T")


def predict(
    predictors: Sequence[CoarsePredictor],
    images: ImageFiles,
    out: Folder,
    classes: ClassSet,
    size: Size,
    device: torch.device,
    *,
    by: str,
    overlay: bool = False,
) -> Predicted:
    """Segment images, each at its own resolution; several models are averaged, logits by logits.

    For NAME.jpg it writes into `out`
    - NAME_color.png: RGB, each class in its colour of the palette;
    - NAME_trainid.png: 8-bit grey, the train ids;
    - NAME_overlay.png, where asked: the mean of the image and its colours;
    - NAME_entropy.png: 8-bit grey, 255 times the normalised entropy, so white is most uncertain.

    What is there already, whole, of the same file and by the same models, is left as it is. The
    next image is read, and the pictures of the one before are written, while one is segmented.

    Args:
        predictors: the models, in eval mode.
        images: what to segment.
        out: on a disk or on object storage; it is made where it is missing.
        classes: names and palette of the models' classes.
        size: width, height in pixels that the images are resized to for the models (bicubic).
        device: where the models are.
        by: digest of the models and of how they look at images.
        overlay: whether to write overlays.

    Raises:
        DataError: storage is away, or `out` can't be written to.
    """
    kinds = [kind for kind in KINDS if overlay or kind != "overlay"]
    results = Results(out, kinds, classes.palette)
    there = results.there(images.stamps, by)
    todo = [name for name in images.names if name not in there]
    seen, unreadable = dict(there), list[str]()
    with ThreadPoolExecutor(1, "read") as reading, ThreadPoolExecutor(1, "write") as writing:
        upcoming = _ahead(reading, partial(_read, images), todo)
        written: Future[None] | None = None
        for name, read in track(
            zip(todo, upcoming, strict=True),
            "predict",
            total=len(images.names),
            completed=len(there),
            console=Console(stderr=True),
        ):
            if isinstance(read, DataError):
                unreadable.append(str(read))
                continue
            shape, resized = (read.height, read.width), as_input(read, size).to(device)
            pixels = np.asarray(read) if overlay else None
            train_ids, entropy, mean = _segment(predictors, resized, shape)
            found = zip(*np.unique(train_ids, return_counts=True), strict=True)
            seen[name] = Seen(
                by=by,
                stamp=images.stamps[name],
                entropy=mean,
                pixels={int(one): int(count) for one, count in found},
            )
            if written is not None:
                written.result()
            write = partial(results.write, name, seen[name], train_ids, entropy, pixels)
            written = writing.submit(write)
        if written is not None:
            written.result()
    return Predicted(
        seen={name: seen[name] for name in images.names if name in seen},
        new=len(todo) - len(unreadable),
        unreadable=unreadable,
    )


class Predicted(NamedTuple):
    """What was seen in images."""

    seen: dict[str, Seen]
    """By path, in order."""

    new: int
    """How many were not there already."""

    unreadable: list[str]
    """A message of each image that could not be read."""


def _read(images: ImageFiles, name: str) -> Image.Image | DataError:
    """The image, or why it can't be had."""
    try:
        return images.read(name)
    except UnavailableError:
        raise  # the storage is at fault, and not this image
    except DataError as error:
        return error


def _ahead(
    threads: ThreadPoolExecutor, read: Callable[[str], T], names: Sequence[str]
) -> Iterator[T]:
    """What is read, in order; the next one while the one before is worked on."""
    upcoming: Future[T] | None = None
    for name in names:
        arrived, upcoming = upcoming, threads.submit(read, name)
        if arrived is not None:
            yield arrived.result()
    if upcoming is not None:
        yield upcoming.result()


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
