"""Pascal VOC: an XML file an image; pixels are counted from 1, and a box has both its ends."""

from __future__ import annotations

import math
import posixpath
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from xml.etree.ElementTree import Element

from advent_dist.data.image import ENDINGS
from advent_dist.errors import DataError
from shards.boxes.marks import Mark, MarkedImage
from shards.boxes.reader import BoxFolder, Stamps, lines_of
from shards.boxes.xml_text import xml_tree
from shards.layout import is_hidden

_LAYOUT = """\
  JPEGImages/000005.jpg ...
  Annotations/000005.xml ...
  ImageSets/Main/trainval.txt ...     (with --split trainval)"""


@dataclass(frozen=True)
class Voc(BoxFolder):
    """Boxes in the format and layout of Pascal VOC: an XML file an image."""

    name: ClassVar[str] = "voc"

    split: str | None = None
    """Name of the list in ImageSets/Main, such as trainval; none takes all of Annotations."""

    images: str = "JPEGImages"
    """Folder of the images, relative to SRC."""

    annotations: str = "Annotations"
    """Folder of the XML files, relative to SRC."""

    def found(self, stamps: Stamps, labelled: bool) -> Sequence[MarkedImage]:
        """See `BoxFolder.found`."""
        images, files = self._images(stamps), self._annotations(stamps)
        found = []
        for stem in self._stems(files, stamps, images):
            if stem not in images:
                raise DataError(
                    f"{self.folder.url}: there is no image {self.images}/{stem}.jpg; add it"
                )
            name = files.get(stem, f"{self.annotations}/{stem}.xml")
            where = f"{self.folder.url}/{name}"
            if not labelled:
                found.append(MarkedImage(images[stem]))
            elif name in stamps:
                root = xml_tree(self.folder.read(name), where)
                found.append(
                    MarkedImage(images[stem], where, _marks(root, where), _size(root, where))
                )
            else:
                raise DataError(f"{where} is missing, the boxes of {images[stem]}; add it")
        return found

    def _images(self, stamps: Stamps) -> dict[str, str]:
        """Name without folder and ending -> name of the image."""
        images: dict[str, str] = {}
        for name in sorted(stamps):
            inside = posixpath.relpath(name, self.images)
            if name.lower().endswith(ENDINGS) and not inside.startswith((".", "/")):
                stem = posixpath.splitext(inside)[0]
                if stem in images:
                    raise DataError(
                        f"{self.folder.url}: {images[stem]} and {name} have one name; remove one"
                    )
                images[stem] = name
        if not images:
            raise DataError(
                f"{self.folder.url}: no image is in {self.images}; expected layout under "
                f"{self.folder.url}:\n{_LAYOUT}"
            )
        return images

    def _annotations(self, stamps: Stamps) -> dict[str, str]:
        """Name without folder and ending -> name of the XML file."""
        inside = f"{self.annotations}/"
        files: dict[str, str] = {}
        for name in sorted(stamps):
            if name.startswith(inside) and name.lower().endswith(".xml") and not is_hidden(name):
                stem = posixpath.splitext(name.removeprefix(inside))[0]
                if stem in files:
                    raise DataError(
                        f"{self.folder.url}: {files[stem]} and {name} have one name; remove one"
                    )
                files[stem] = name
        return files

    def _stems(self, files: dict[str, str], stamps: Stamps, images: dict[str, str]) -> list[str]:
        if self.split is None:
            return sorted(files or images)
        name = f"ImageSets/Main/{self.split}.txt"
        if name not in stamps:
            lists = sorted(one for one in stamps if one.startswith("ImageSets/Main/"))
            raise DataError(
                f"{self.folder.url}/{name} is missing, the list of --split {self.split}; there are "
                f"{', '.join(lists) or 'no lists'}"
            )
        lines = lines_of(self.folder.read(name), f"{self.folder.url}/{name}")
        return list(dict.fromkeys(line.split()[0] for _, line in lines))


def _marks(root: Element, where: str) -> tuple[Mark, ...]:
    counts: defaultdict[str, int] = defaultdict(int)
    marks = []
    for number, thing in enumerate(root.iterfind("object")):
        name = (thing.findtext("name") or "").strip()
        if not name or not name.isprintable() or len(name) > 100:
            raise DataError(
                f"{where}: object {number} has the name {name!r}; give it that of a class"
            )
        counts[name] += 1
        said = f"{where}: object {number} ({name})"
        x0, y0, x1, y1 = (
            _number(thing, f"bndbox/{edge}", said) for edge in ("xmin", "ymin", "xmax", "ymax")
        )
        difficult = (thing.findtext("difficult") or "0").strip()
        if difficult not in ("0", "1"):
            raise DataError(f"{said}: difficult = {difficult!r}; write 0 or 1")
        # The first pixel is 1, and the last one is part of the box.
        marks.append(Mark(name, (x0 - 1, y0 - 1, x1, y1), difficult == "1"))
    return tuple(marks)


def _size(root: Element, where: str) -> tuple[int, int] | None:
    if root.find("size") is None:
        return None
    width, height = (_number(root, f"size/{side}", where) for side in ("width", "height"))
    # Some programs write 0 where they do not know it.
    return (int(width), int(height)) if width > 0 and height > 0 else None


def _number(element: Element, path: str, where: str) -> float:
    text = element.findtext(path)
    if text is None:
        raise DataError(f"{where}: it has no {path}; add it")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: {path} = {text.strip()!r}; give a finite number")
    return number
