"""The images that `predict` is given: one, a folder of them, or folders in folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from PIL import Image

from advent_dist.data.image import ENDINGS, is_image, read_image
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import DataError

KINDS = ("color", "trainid", "overlay", "entropy")
"""What may be written for each image; see `predict.Predictor`."""


@dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """Images below a folder."""

    folder: Folder
    """On a disk or on object storage."""

    names: list[str]
    """Their paths below it, sorted."""

    left_alone: list[str]
    """Paths below it of the files that are no images by their names."""

    stamps: Mapping[str, tuple[int, ...]]
    """Of each image numbers that change when its file does."""

    def read(self, name: str) -> Image.Image:
        """An image as it is meant to be looked at, RGB.

        Raises:
            DataError: it can't be read; the message names it.
        """
        return read_image(BytesIO(self.folder.read(name)), f"{self.folder.url}/{name}")


def result_name(name: str, kind: str) -> str:
    """`a/b_color.png` for the image `a/b.jpg`: where a result lies below the folder of results."""
    return f"{PurePosixPath(name).with_suffix('')}_{kind}.png"


def find_images(url: str, out: str) -> ImageFiles:
    """The images that a path or URL means, once it is sure that no result replaces anything else.

    Args:
        url: an image, or a folder; what lies in `out`, if that is in the folder, does not count.
        out: folder that the results will be written to.

    Raises:
        DataError: there is no image, `out` is the folder of the images, or a result of one image
            would have the name of another one's result or of an image.
    """
    folder = open_folder(url)
    stamps = folder.stamps()
    if list(stamps) == [""]:
        parent, slash, name = folder.url.rpartition("/")
        images = ImageFiles(
            folder=open_folder(parent or slash or "."),
            names=[name],
            left_alone=[],
            stamps={name: stamps[""]},
        )
    else:
        images = _below(folder, stamps, out)
    _require_own_names(images, out)
    return images


def _below(folder: Folder, stamps: Mapping[str, tuple[int, ...]], out: str) -> ImageFiles:
    """The images among the files of a folder."""
    if not stamps:
        raise DataError(f"--images {folder.url}: there is no such file, and no folder with files")
    earlier = address(out).removeprefix(f"{address(folder.url)}/")
    names = [name for name in sorted(stamps) if not name.startswith(f"{earlier}/")]
    # Hidden folders hold what was thrown away, and thumbnails.
    chosen = [
        name
        for name in names
        if is_image(Path(name)) and not any(part.startswith(".") for part in name.split("/"))
    ]
    if not chosen:
        raise DataError(
            f"--images {folder.url}: none of the {len(names)} files there ends in "
            f"{', '.join(ENDINGS)}"
        )
    return ImageFiles(
        folder=folder,
        names=chosen,
        left_alone=[name for name in names if name not in set(chosen)],
        stamps={name: stamps[name] for name in chosen},
    )


def _require_own_names(images: ImageFiles, out: str) -> None:
    place, target = address(images.folder.url), address(out)
    if place == target:
        raise DataError(f"--out {out}: give another folder than that of the images")
    uses = Counter(str(PurePosixPath(name).with_suffix("")) for name in images.names)
    shared = [stem for stem, count in uses.items() if count > 1]
    if shared:
        raise DataError(
            f"--images {images.folder.url}: several files are called {', '.join(shared)} but for "
            "their ending, and so would be their results; rename all but one of each"
        )
    inputs = {f"{place}/{name}" for name in images.names}
    for name in images.names:
        for kind in KINDS:
            result = f"{target}/{result_name(name, kind)}"
            if result in inputs:
                raise DataError(
                    f"--out {out}: a result of {name} would replace the image {result}; give "
                    "another folder"
                )


def address(url: str) -> str:
    """The same for all ways to name a folder."""
    folder = open_folder(url)
    return os.path.realpath(folder.url or "/") if folder.is_local else folder.url
