"""Class files of published data sets, beside this one, by name: what ids and colours stand for."""

from __future__ import annotations

import difflib
import os
from importlib.resources import files

from advent_dist.data import class_sets
from advent_dist.data.class_file import ClassFile, parse_class_file
from advent_dist.data.store import read_class_file
from advent_dist.errors import DataError

_ENDING = ".yaml"

NAMES = (
    *class_sets.NAMES,
    *sorted(
        file.name.removesuffix(_ENDING)
        for file in files(__name__).iterdir()
        if file.name.endswith(_ENDING)
    ),
)
"""What there is; the names that `data.classes` may have come first."""


def published(name: str) -> ClassFile:
    """The class file of that name in `NAMES`."""
    if name in class_sets.NAMES:
        return class_sets.built_in(name)
    file = f"{name}{_ENDING}"
    return parse_class_file(files(__name__).joinpath(file).read_bytes(), file)


def class_file(asked: str) -> ClassFile:
    """The class file of label maps, of two classes or more; see `box_class_file`."""
    file = box_class_file(asked)
    if file.classes.num_classes < 2:
        raise DataError(
            f"{asked}: classes has 1 item, but label maps have at least 2 classes; name more; what "
            "is no object may be a class too"
        )
    return file


def box_class_file(asked: str) -> ClassFile:
    """A class file by path or URL, or a published one by name; a file that is there comes first.

    Raises:
        DataError: there is none, or something in it is wrong.
    """
    is_word = not any(mark in asked for mark in "/\\") and not os.path.exists(asked)
    if is_word and asked in NAMES:
        return published(asked)
    if is_word and not asked.lower().endswith((".yaml", ".yml", ".json")):
        near = difflib.get_close_matches(asked, NAMES, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(NAMES)}"
        raise DataError(f"--classes {asked}: no such file, and no class file of that name; {hint}")
    return read_class_file(asked)
