"""Which files in a data set's folders are read, images and labels, and which are left alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from advent_dist.data.image import ENDINGS, is_image
from advent_dist.errors import DataError

_log = logging.getLogger(__name__)

_LABEL_ENDING = ".png"


def find_images(
    root: Path, folder: str, layout: str, *, name_end: str = "", in_folders: bool = False
) -> list[Path]:
    """The images in a folder of a data set, sorted; the log names what else lies there.

    Hidden files, and so those that macOS puts beside others, are left alone without a word.

    Args:
        root: The data set's folder.
        folder: The folder to look in, relative to `root`.
        layout: What should be in `root`, for the message.
        name_end: What the images' names end with, before the ending.
        in_folders: The images lie in folders of `folder`, not in itself.

    Raises:
        DataError: the folder is missing or can't be read, or no image is in it.
    """
    top = root / folder
    files, folders = _listed(top)
    strays: list[Path] = []
    if in_folders:
        inside = [_listed(inner) for inner in folders]
        strays = files
        files = [file for found, _ in inside for file in found]
        folders = [inner for _, found in inside for inner in found]
    images = sorted(f for f in files if is_image(f) and f.stem.endswith(name_end))
    if not images:
        endings = ", ".join(f"*{name_end}{ending}" for ending in ENDINGS)
        missing = f"holds none of {endings}" if top.is_dir() else "does not exist"
        raise DataError(f"{top} {missing}; expected layout under {root}:\n{layout}")
    left = [
        _counted(noun, (str(path.relative_to(top)) for path in paths))
        for noun, paths in (("file", {*strays, *files} - {*images}), ("folder", folders))
        if paths
    ]
    if left:
        _log.warning("%s: left alone: %s", top, " and ".join(left))
    return images


def find_labels(
    keys: Sequence[str], folder: Path, *, name_end: str = "", labelled: bool = True
) -> dict[str, Path]:
    """The label of each image in a folder, whether it is there or not; the log names others.

    Args:
        keys: The images' names, without what they end with.
        folder: Where their labels lie.
        name_end: What the labels' names end with, before the ending.
        labelled: Whether labels are read; if not, nothing is looked for.

    Returns:
        Key -> path.

    Raises:
        DataError: the folder can't be read.
    """
    expected = {key: folder / f"{key}{name_end}{_LABEL_ENDING}" for key in keys}
    if not labelled:
        return expected
    files, _ = _listed(folder)
    labels = {
        file.stem.removesuffix(name_end): file
        for file in files
        if file.suffix.lower() == _LABEL_ENDING and file.stem.endswith(name_end)
    }
    spare = sorted(labels.keys() - expected.keys())
    if spare:
        names = (labels[key].name for key in spare)
        _log.warning("%s: left alone, without an image: %s", folder, _counted("label", names))
    return {key: labels.get(key, path) for key, path in expected.items()}


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Files and folders in a folder, but for hidden ones; none if it is missing."""
    files: list[Path] = []
    folders: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (folders if entry.is_dir() else files).append(folder / entry.name)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise DataError(f"{folder}: it can't be listed ({error.strerror}); allow it") from error
    return files, folders


def _counted(noun: str, names: Iterable[str], shown: int = 3) -> str:
    """`3 files (a, b, c)`, or `5 files (a, b, c, ...)`."""
    ordered = sorted(names)
    more = [*ordered[:shown], *(["..."] if len(ordered) > shown else [])]
    return f"{len(ordered)} {noun}{'' if len(ordered) == 1 else 's'} ({', '.join(more)})"
