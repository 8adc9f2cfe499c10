"""A model and a folder of photographs to pictures of what the model sees in them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track

from advent_dist.config import Size
from advent_dist.data.classes import ClassSet
from advent_dist.data.sample import as_rgb
from advent_dist.data.transforms import resize_image
from advent_dist.errors import DataError
from advent_dist.evaluation.counts import Predictor, pixel_entropy
from advent_dist.pictures import colourise

_SUFFIXES = (".jpg", ".jpeg", ".png")


def predict(
    predictor: Predictor,
    images: str | Path,
    out: str | Path,
    classes: ClassSet,
    size: Size,
    device: torch.device,
) -> int:
    """Segment every image of a folder, each at its own resolution.

    For NAME.jpg or NAME.png it writes into `out`
    - NAME_color.png: RGB, each class in its colour of the palette;
    - NAME_trainid.png: 8-bit grey, the train ids;
    - NAME_entropy.png: 8-bit grey, 255 times the normalised entropy, so white is most uncertain.

    Args:
        predictor: the model, in eval mode.
        images: folder with .jpg, .jpeg or .png files; folders in it are left alone.
        out: folder to write to; it is made where it is missing.
        classes: names and palette of the model's classes.
        size: width, height in pixels that the images are resized to for the model (bicubic).
        device: where the model is.

    Returns:
        The number of images.

    Raises:
        DataError: the folder is missing or holds no image, `out` is the same folder, two images
            share a NAME, or, after all others were written, some could not be read.
    """
    out = Path(out)
    files = _images_in(Path(images), out)
    out.mkdir(parents=True, exist_ok=True)
    unreadable = []
    for file in track(files, description="predict", console=Console(stderr=True)):
        try:
            image = _read(file)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            unreadable.append(f"{file} ({error})")
            continue
        for kind, picture in _pictures(predictor, image, classes, size, device).items():
            Image.fromarray(picture).save(out / f"{file.stem}_{kind}.png")
    if unreadable:
        raise DataError(
            f"{len(unreadable)} of {len(files)} images could not be read, all others were "
            f"written to {out}; mend or remove: {', '.join(unreadable)}"
        )
    return len(files)


def _images_in(folder: Path, out: Path) -> list[Path]:
    """The image files of a folder, sorted, once it is sure that no result can replace another."""
    if not folder.is_dir():
        raise DataError(f"images = {folder}: there is no such folder")
    if folder.resolve() == out.resolve():
        raise DataError(f"out = {out}: give another folder than that of the images")
    files = sorted(f for f in folder.iterdir() if f.is_file() and f.suffix.lower() in _SUFFIXES)
    if not files:
        raise DataError(f"images = {folder}: the folder holds no {', '.join(_SUFFIXES)} file")
    shared = [stem for stem, uses in Counter(file.stem for file in files).items() if uses > 1]
    if shared:
        raise DataError(
            f"images = {folder}: several files are called {', '.join(shared)} but for their "
            "ending, and so would be their results; rename all but one of each"
        )
    return files


def _read(file: Path) -> Image.Image:
    """The image as it is meant to be looked at (cameras store how they were held), RGB."""
    with Image.open(file) as image:
        return as_rgb(ImageOps.exif_transpose(image), "it")


def _pictures(
    predictor: Predictor,
    image: Image.Image,
    classes: ClassSet,
    size: Size,
    device: torch.device,
) -> dict[str, UInt8[np.ndarray, ...]]:
    """The three results for one image: uint8 [h, w] or [h, w, 3], at the image's own size."""
    # Resized as an evaluation does it, so that pictures and scores are of the same predictions.
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    resized = resize_image(pixels, size)[None].to(device)
    with torch.no_grad():
        logits = predictor(resized, (image.height, image.width))
        entropy = (255 * pixel_entropy(logits)[0]).round().byte().cpu().numpy()
        train_ids = logits[0].argmax(0).byte().cpu().numpy()
    return {
        "color": colourise(train_ids, classes.palette),
        "trainid": train_ids,
        "entropy": entropy,
    }
