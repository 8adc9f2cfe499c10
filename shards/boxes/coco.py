"""COCO: all boxes in one JSON file, `bbox` = left, top, width, height in pixels; crowds ignored."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from advent_dist.data.manifest_fields import Name
from advent_dist.errors import DataError
from shards.boxes.marks import Mark, MarkedImage
from shards.boxes.reader import BoxFolder, Stamps

_LAYOUT = """\
  annotations/instances_train2017.json
  train2017/000000000009.jpg ...     (with --images train2017)"""

_Id = int | str
_Text = Annotated[str, Field(min_length=1)]


class _Image(BaseModel):
    model_config = ConfigDict(strict=True)

    id: _Id
    file_name: _Text
    width: Annotated[int, Field(gt=0)] | None = None
    height: Annotated[int, Field(gt=0)] | None = None


class _Box(BaseModel):
    model_config = ConfigDict(strict=True)

    id: _Id | None = None
    image_id: _Id
    category_id: _Id
    bbox: Annotated[list[float], Field(min_length=4, max_length=4)]
    iscrowd: Annotated[int, Field(ge=0, le=1)] = 0


class _Category(BaseModel):
    model_config = ConfigDict(strict=True)

    id: _Id
    name: Name


class _File(BaseModel):
    model_config = ConfigDict(strict=True)

    images: list[_Image]
    annotations: list[_Box] = []
    categories: list[_Category] = []


@dataclass(frozen=True)
class Coco(BoxFolder):
    """Boxes in COCO's format: a JSON file of images, annotations and categories."""

    name: ClassVar[str] = "coco"

    annotations: str = "annotations/instances_train2017.json"
    """The JSON file, relative to SRC; with --unlabelled one of images alone will do."""

    images: str = ""
    """Folder in SRC that the file's names of images are relative to, such as train2017."""

    @property
    def _where(self) -> str:
        return f"{self.folder.url}/{self.annotations}"

    @cached_property
    def _json(self) -> _File:
        if self.annotations not in self.stamps:
            raise DataError(
                f"{self._where}: it is not there; name the JSON file by --annotations, relative to "
                f"SRC; expected layout under {self.folder.url}:\n{_LAYOUT}"
            )
        try:
            file = _File.model_validate_json(self.folder.read(self.annotations))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "the file"
            if first["type"] == "value_error":
                raise DataError(
                    f"{self._where}: {field} = {first['input']!r}: {first['msg']}; rename it"
                ) from error
            raise DataError(
                f"{self._where}: {field}: {first['msg']}; it is no file of instances as COCO has "
                "them, correct it"
            ) from error
        _require_once("images", "id", (one.id for one in file.images), self._where)
        _require_once("images", "file_name", (one.file_name for one in file.images), self._where)
        _require_once("categories", "id", (one.id for one in file.categories), self._where)
        _require_once("categories", "name", (one.name for one in file.categories), self._where)
        ids = (one.id for one in file.annotations if one.id is not None)
        _require_once("annotations", "id", ids, self._where)
        return file

    def found(self, stamps: Stamps, labelled: bool) -> Sequence[MarkedImage]:
        """See `BoxFolder.found`."""
        file = self._json
        for field in ("annotations", "categories"):
            if labelled and field not in file.model_fields_set:
                raise DataError(
                    f"{self._where}: it has no {field}; give a file of instances, or build "
                    "--unlabelled"
                )
        names = {category.id: category.name for category in file.categories}
        known = {image.id for image in file.images}
        marks: defaultdict[_Id, list[Mark]] = defaultdict(list)
        for number, box in enumerate(file.annotations if labelled else ()):
            where = f"{self._where}: annotations.{number}"
            if box.image_id not in known:
                raise DataError(
                    f"{where}.image_id = {box.image_id!r} is no id of an image; add the image, or "
                    "remove the box"
                )
            if box.category_id not in names:
                raise DataError(
                    f"{where}.category_id = {box.category_id!r} is no id of a category; add the "
                    "category, or remove the box"
                )
            left, top, width, height = box.bbox
            edges = (left, top, left + width, top + height)
            marks[box.image_id].append(Mark(names[box.category_id], edges, bool(box.iscrowd)))
        return [
            MarkedImage(
                posixpath.normpath(posixpath.join(self.images, image.file_name)),
                self._where,
                tuple(marks[image.id]),
                (image.width, image.height) if image.width and image.height else None,
            )
            for image in file.images
        ]

    def own_names(self, images: Sequence[MarkedImage]) -> tuple[str, ...]:
        """The categories, in the file's order."""
        return tuple(category.name for category in self._json.categories)


def _require_once(
    listed: Literal["images", "annotations", "categories"],
    field: str,
    values: Iterable[_Id],
    where: str,
) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise DataError(f"{where}: {listed} have the {field} {value!r} twice; keep one of them")
        seen.add(value)
