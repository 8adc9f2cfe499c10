"""The images that `predict` is given: one, a folder of them, folders in folders, or shards."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from PIL import Image

from advent_dist.data.image import ENDINGS, is_image, read_image
from advent_dist.data.manifest import FILE_NAME
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import DataError, UnavailableError
from advent_dist.runs.shard_images import ShardImages, open_shard_images

KINDS = ("color", "trainid", "overlay", "entropy", "boxes")
"""Pictures that may be written for each image; see `predict.Predictor`, and `BoxResults`."""


@runtime_checkable
class Images(Protocol):
    """Many images by their names; small, and to be sent to other processes."""

    @property
    def url(self) -> str:
        """The folder that they lie in, on a disk or on object storage."""

    @property
    def stamps(self) -> Mapping[str, tuple[int, ...]]:
        """Name -> numbers that change when the image does; in the order to read them in."""

    def each(self, names: Sequence[str]) -> Iterator[Image.Image | DataError]:
        """Those of these names, in an order as that of `stamps`, RGB; or why one can't be had.

        Raises:
            UnavailableError: the storage is at fault, and not an image.
        """


@dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """Images below a folder, by their paths below it."""

    url: str
    """See `Images`."""

    stamps: Mapping[str, tuple[int, ...]]
    """See `Images`."""

    left_alone: Sequence[str] = ()
    """Paths below it of the files that are no images by their names."""

    def each(self, names: Sequence[str]) -> Iterator[Image.Image | DataError]:
        """As they are meant to be looked at; see `Images`."""
        folder = open_folder(self.url)
        return (_read(folder, name) for name in names)


def _read(folder: Folder, name: str) -> Image.Image | DataError:
    try:
        return read_image(BytesIO(folder.read(name)), f"{folder.url}/{name}")
    except UnavailableError:
        raise  # the storage is at fault, and not this image
    except DataError as error:
        return error


def result_name(name: str, kind: str) -> str:
    """`a/b_color.png` for the image `a/b.jpg`: where a result lies below the folder of results."""
    return f"{PurePosixPath(name).with_suffix('')}_{kind}.png"


def find_images(url: str, out: str) -> ImageFiles | ShardImages:
    """The images that a path or URL means, once it is sure that no result replaces anything else.

    Args:
        url: an image, a folder of them, or one of shards; what lies in `out`, if that is in the
            folder, does not count.
        out: folder that the results will be written to.

    Raises:
        DataError: there is no image, `out` is the folder of the images, or a result of one image
            would have the name of another one's result or of an image.
    """
    folder = open_folder(url)
    stamps = folder.stamps()
    if FILE_NAME in stamps and any(name.endswith(".tar") for name in stamps):
        if address(folder.url) == address(out):
            raise DataError(f"--out {out}: give another folder than that of the shards")
        return open_shard_images(folder.url)
    if list(stamps) == [""]:
        parent, slash, name = folder.url.rpartition("/")
        images = ImageFiles(url=parent or slash or ".", stamps={name: stamps[""]})
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
        url=folder.url or "/",
        stamps={name: stamps[name] for name in chosen},
        left_alone=[name for name in names if name not in set(chosen)],
    )


def _require_own_names(images: ImageFiles, out: str) -> None:
    place, target = address(images.url), address(out)
    if place == target:
        raise DataError(f"--out {out}: give another folder than that of the images")
    uses = Counter(str(PurePosixPath(name).with_suffix("")) for name in images.stamps)
    shared = [stem for stem, count in uses.items() if count > 1]
    if shared:
        raise DataError(
            f"--images {images.url}: several files are called {', '.join(shared)} but for "
            "their ending, and so would be their results; rename all but one of each"
        )
    inputs = {f"{place}/{name}" for name in images.stamps}
    for name in images.stamps:
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
