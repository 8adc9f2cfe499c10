"""A trained model to call from Python: `advent_dist.load` opens one."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image

from advent_dist.config import Size
from advent_dist.data.classes import ClassSet
from advent_dist.data.image import read_image
from advent_dist.data.sample import as_rgb
from advent_dist.data.store import open_file
from advent_dist.errors import DataError
from advent_dist.evaluation.certainty import pixel_entropy
from advent_dist.runs.bands import CoarsePredictor, logit_bands
from advent_dist.runs.predict import as_input
from advent_dist.runs.trained import available_device, load_run


class Prediction(NamedTuple):
    """What a model sees in an image, at the image's own size."""

    train_ids: UInt8[np.ndarray, "h w"]
    """The class of each pixel: its place in `Model.classes.names`."""

    entropy: Float32[np.ndarray, "h w"]
    """How unsure that is: 0 is certain, 1 is every class alike."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained segmenter."""

    classes: ClassSet
    """Names and colours of the classes."""

    size: Size
    """Width, height in pixels that images are resized to for it (bicubic)."""

    coarse: CoarsePredictor
    """The network, in eval mode on `device`."""

    device: torch.device
    """Where it is."""

    def predict(self, image: str | Path | Image.Image | UInt8[np.ndarray, "h w 3"]) -> Prediction:
        """Segment an image, just as `advent-dist predict` does.

        Args:
            image: Path or URL of an image file, which is read as it is meant to be looked at; or
                an image of Pillow; or its pixels, uint8 [h, w, 3], RGB.

        Raises:
            DataError: it can't be read, or is none.
        """
        picture = _picture(image)
        shape = (picture.height, picture.width)
        train_ids, entropy = torch.empty(shape, dtype=torch.uint8), torch.empty(shape)
        pixels = as_input(picture, self.size).to(self.device)
        for rows, logits in logit_bands([self.coarse], pixels, shape):
            train_ids[rows] = logits[0].argmax(0)
            entropy[rows] = pixel_entropy(logits)[0]
        return Prediction(train_ids.numpy(), entropy.numpy())


def load(url: str | Path, which: str = "last", device: str | torch.device | None = None) -> Model:
    """The model of a run or of an export; see `advent_dist.load`."""
    place = available_device() if device is None else torch.device(device)
    run = load_run(str(url), which, place)
    return Model(
        classes=run.classes,
        size=run.experiment.data.evaluation_size,
        coarse=run.coarse,
        device=place,
    )


def _picture(image: object) -> Image.Image:
    if isinstance(image, str | Path):
        folder, name = open_file(str(image))
        return read_image(BytesIO(folder.read(name)), f"{folder.url}/{name}")
    if isinstance(image, Image.Image):
        return as_rgb(image, "the image")
    if not isinstance(image, np.ndarray):
        raise DataError(
            f"the image is of the type {type(image).__name__}; give a path, an image of Pillow, or "
            "an array of uint8 [height, width, 3]"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise DataError(
            f"the image is an array of {image.dtype} {list(image.shape)}; give RGB in 0..255 as "
            "uint8 [height, width, 3]"
        )
    return Image.fromarray(image)
