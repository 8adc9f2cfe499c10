"""Models and photographs to pictures of what the models see in them."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

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
from advent_dist.pictures import colourise
from advent_dist.runs.bands import CoarsePredictor, logit_bands
from advent_dist.runs.images import ImageFiles, result_name


def predict(
    predictors: Sequence[CoarsePredictor],
    images: ImageFiles,
    out: Folder,
    classes: ClassSet,
    size: Size,
    device: torch.device,
) -> None:
    """Segment images, each at its own resolution; several models are averaged, logits by logits.

    For NAME.jpg it writes into `out`
    - NAME_color.png: RGB, each class in its colour of the palette;
    - NAME_trainid.png: 8-bit grey, the train ids;
    - NAME_entropy.png: 8-bit grey, 255 times the normalised entropy, so white is most uncertain.

    Args:
        predictors: the models, in eval mode.
        images: what to segment.
        out: on a disk or on object storage; it is made where it is missing.
        classes: names and palette of the models' classes.
        size: width, height in pixels that the images are resized to for the models (bicubic).
        device: where the models are.

    Raises:
        DataError: after all others were written, some images could not be read; or `out` can't be
            written to.
    """
    unreadable = []
    for name in track(images.names, description="predict", console=Console(stderr=True)):
        try:
            image = images.read(name)
        except UnavailableError:
            raise  # the storage is at fault, and not this image
        except DataError as error:
            unreadable.append(str(error))
            continue
        shape, resized = (image.height, image.width), as_input(image, size).to(device)
        del image  # memory for the results
        train_ids, entropy = _segment(predictors, resized, shape)
        out.write(result_name(name, "color"), _png(colourise(train_ids, classes.palette)))
        out.write(result_name(name, "trainid"), _png(train_ids))
        out.write(result_name(name, "entropy"), _png(entropy))
    if unreadable:
        raise DataError(
            f"{len(unreadable)} of {len(images.names)} images could not be read, all others were "
            f"written to {out.url}; mend or remove: {', '.join(unreadable)}"
        )


def as_input(image: Image.Image, size: Size) -> UInt8[Tensor, "1 3 h w"]:
    """As an evaluation does it, so that pictures and scores are of the same predictions."""
    return resize_image(torch.from_numpy(np.array(image)).permute(2, 0, 1), size)[None]


def _segment(
    predictors: Sequence[CoarsePredictor],
    image: UInt8[Tensor, "1 3 h w"],
    shape: tuple[int, int],
) -> tuple[UInt8[np.ndarray, "i j"], UInt8[np.ndarray, "i j"]]:
    """Train ids and 255 times the entropy, at a size of `shape` = (height, width)."""
    train_ids, entropy = (torch.empty(shape, dtype=torch.uint8) for _ in range(2))
    for rows, logits in logit_bands(predictors, image, shape):
        train_ids[rows] = logits[0].argmax(0)
        entropy[rows] = (255 * pixel_entropy(logits)[0]).round()
    return train_ids.numpy(), entropy.numpy()


def _png(picture: UInt8[np.ndarray, ...]) -> bytes:
    file = BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()
