"""YOLO: a text file an image, a line a box: class, centre and size in shares of the image."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import yaml

from advent_dist.data.yaml_text import yaml_tree
from advent_dist.errors import DataError
from shards.boxes.marks import Mark, MarkedImage
from shards.boxes.reader import BoxFolder, Stamps, lines_of
from shards.folder_item import is_image
from shards.layout import Glob

_LAYOUT = """\
  images/train/0001.jpg ...
  labels/train/0001.txt ...
  data.yaml                  (or classes.txt)"""

_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")


@dataclass(frozen=True)
class Yolo(BoxFolder):
    """Boxes in YOLO's format: images/NAME.jpg with labels/NAME.txt, or both in one folder.

    An image without such a file has no boxes.
    """

    name: ClassVar[str] = "yolo"

    images: str = "images/**/*"
    """Pattern of the images' names, such as images/train/**/* or train/images/*; the boxes of an
    image are where the last folder `images` is called `labels`."""

    names_file: str | None = None
    """File of the classes' names, relative to SRC: YAML with `names`, or a text with a name a line;
    none looks for data.yaml, classes.txt and the like."""

    def found(self, stamps: Stamps, labelled: bool) -> Sequence[MarkedImage]:
        """See `BoxFolder.found`."""
        glob = Glob(self.images)
        images = [one.image for one in glob.matches(stamps) if is_image(one.image)]
        if not images:
            raise DataError(
                f"{self.folder.url}: none of its {len(stamps)} files is an image that fits "
                f"--images {self.images!r}; expected layout under {self.folder.url}:\n{_LAYOUT}"
            )
        if not labelled:
            return [MarkedImage(image) for image in images]
        files = {image: _labels_of(image) for image in images}
        if not any(file in stamps for file in files.values()):
            image, file = next(iter(files.items()))
            raise DataError(
                f"{self.folder.url}: no image has a file of boxes, as {file} for {image}; put them "
                "there, or build --unlabelled"
            )
        return [self._marked(image, file) for image, file in files.items()]

    def _marked(self, image: str, file: str) -> MarkedImage:
        where = f"{self.folder.url}/{file}"
        if file not in self.stamps:
            return MarkedImage(image, where, in_shares=True)
        lines = lines_of(self.folder.read(file), where)
        marks = tuple(_mark(line, self._names, f"{where}, line {number}") for number, line in lines)
        return MarkedImage(image, where, marks, in_shares=True)

    def own_names(self, images: Sequence[MarkedImage]) -> tuple[str, ...]:
        """The names of the file of names."""
        return tuple(self._names[number] for number in sorted(self._names))

    @cached_property
    def _names(self) -> dict[int, str]:
        """Number of a class -> its name."""
        names = [self.names_file] if self.names_file is not None else [*_NAMES]
        file = next((name for name in names if name in self.stamps), None)
        if file is None:
            raise DataError(
                f"{self.folder.url}: there is no {' or '.join(names)}, which name the classes; "
                "give that file by --names-file, relative to SRC"
            )
        where, data = f"{self.folder.url}/{file}", self.folder.read(file)
        if file.endswith((".yaml", ".yml")):
            named = _of_yaml(data, where)
        else:
            named = dict(enumerate(line for _, line in lines_of(data, where)))
        for number, name in named.items():
            if not name.isprintable() or not 1 <= len(name) <= 100:
                raise DataError(f"{where}: names.{number} = {name!r}; give a name")
        if len(set(named.values())) < len(named):
            raise DataError(f"{where}: two classes have one name; give each its own")
        return named


def _of_yaml(data: bytes, where: str) -> dict[int, str]:
    try:
        tree: Any = yaml_tree(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise DataError(f"{where}: it can't be read as YAML ({said}); correct it") from error
    names = tree.get("names") if isinstance(tree, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    right = isinstance(names, dict) and all(
        type(number) is int and number >= 0 and isinstance(name, str)
        for number, name in names.items()
    )
    if not right or not names:
        raise DataError(f"{where}: it has no `names` of classes; give a list, or a number for each")
    return dict(names)


def _labels_of(image: str) -> str:
    """The file of an image's boxes."""
    folders, name = posixpath.split(posixpath.splitext(image)[0])
    parts = folders.split("/")
    if "images" in parts:
        place = len(parts) - 1 - parts[::-1].index("images")
        parts[place] = "labels"
    return posixpath.join(*parts, f"{name}.txt")


def _mark(line: str, names: dict[int, str], where: str) -> Mark:
    fields = line.split()
    if len(fields) != 5:
        raise DataError(
            f"{where}: it has {len(fields)} numbers, but a box has 5: class, x, y of its centre, "
            "width and height; outlines and confidences are none of it"
        )
    try:
        number, (x, y, width, height) = int(fields[0]), map(float, fields[1:])
    except ValueError:
        raise DataError(f"{where}: {line!r} is no box; give a class and four numbers") from None
    if number not in names:
        raise DataError(f"{where}: class {number} has no name; there are {sorted(names)}")
    if max(abs(x), abs(y), abs(width), abs(height)) > 2:
        raise DataError(
            f"{where}: {line!r} is in pixels, but YOLO has shares of the image, 0 to 1; divide them"
        )
    edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return Mark(names[number], edges)
