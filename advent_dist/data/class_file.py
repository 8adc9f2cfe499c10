"""Class files: a class set as data, in YAML or JSON, with what stands for each class in labels.

    name: my_streets
    ignore: [0]                # ids that are no class, as 255 is; or ignore_colours: [[0, 0, 0]]
    classes:                   # their order makes the train ids
      - {name: road, colour: [128, 64, 128], ids: [7, 8]}
      - {name: car, colour: [0, 0, 142], ids: [26]}
    subsets:                   # further means of the IoU that reports show
      things: [car]

Labels hold `ids`, or RGB `colours`; where no class has either, `colour` is what labels hold, too.
`colour` is for pictures, and where it is left out one is made up. Files of boxes call a class by
its name, or by any of its `names`: [van, pickup], that are no other class's.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from advent_dist.data.classes import IGNORED, MAX_CLASSES, ClassSet, Colour
from advent_dist.data.label_map import LabelMap, shown_value
from advent_dist.data.manifest_fields import Name
from advent_dist.data.yaml_text import require_once, yaml_tree
from advent_dist.errors import DataError

_Id = Annotated[int, Field(strict=True, ge=0, le=65535)]
_Level = Annotated[int, Field(strict=True, ge=0, le=255)]
_Rgb = tuple[_Level, _Level, _Level]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Class(_Strict):
    name: Name
    colour: _Rgb | None = None
    names: tuple[Name, ...] | None = None
    ids: tuple[_Id, ...] | None = None
    colours: tuple[_Rgb, ...] | None = None


class _File(_Strict):
    name: Name
    classes: Annotated[tuple[_Class, ...], Field(min_length=1, max_length=MAX_CLASSES)]
    ignore: tuple[_Id, ...] = ()
    ignore_colours: tuple[_Rgb, ...] = ()
    subsets: dict[Name, Annotated[tuple[Name, ...], Field(min_length=1)]] = {}


@dataclass(frozen=True, kw_only=True)
class ClassFile:
    """What a class file says."""

    classes: ClassSet
    """The classes."""

    label_map: LabelMap | None
    """What labels hold -> train ids; none where the file does not say."""

    box_names: dict[str, int]
    """What files of boxes call a class -> train id."""


def parse_class_file(text: bytes | str, where: str) -> ClassFile:
    """Read a class file's text; `where` is named in messages.

    Raises:
        DataError: something in it is wrong; names the file, the field and the value.
    """
    try:
        file = _File.model_validate(_tree(text, where))
    except ValidationError as error:
        raise DataError(f"{where}: {_first(error)}") from error
    names = [one.name for one in file.classes]
    _require_unique(((f"classes.{i}.name", one.name) for i, one in enumerate(file.classes)), where)
    known = {name: train_id for train_id, name in enumerate(names)}
    subsets = {
        subset: tuple(_train_id(name, known, f"{where}: subsets.{subset}") for name in members)
        for subset, members in file.subsets.items()
    }
    classes = ClassSet(
        name=file.name, names=tuple(names), palette=_palette(file, where), subsets=subsets
    )
    label_map = _label_map(file, where)
    return ClassFile(classes=classes, label_map=label_map, box_names=_box_names(file, where))


def class_file_text(classes: ClassSet) -> str:
    """A class set as a class file in JSON, which says nothing on labels."""
    described = zip(classes.names, classes.palette, strict=True)
    tree = {
        "name": classes.name,
        "classes": [{"name": name, "colour": colour} for name, colour in described],
        "subsets": {
            subset: [classes.names[i] for i in train_ids]
            for subset, train_ids in classes.subsets.items()
        },
    }
    return json.dumps(tree, indent=1)


def made_up_colours() -> Iterator[Colour]:
    """Colours that differ, the first ones most: the bits of 1, 2, ... dealt out to R, G and B.

    Source: the colour map of the PASCAL VOC devkit.
    """
    for number in range(1, 2**24):
        colour = [0, 0, 0]
        for bit in range(24):
            colour[bit % 3] |= (number >> bit & 1) << 7 - bit // 3
        yield colour[0], colour[1], colour[2]


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    require_once(key for key, _ in pairs)
    return dict(pairs)


def _tree(text: bytes | str, where: str) -> Any:
    try:
        if where.lower().endswith(".json"):
            return json.loads(text, object_pairs_hook=_unique_pairs)
        return yaml_tree(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise DataError(
            f"{where}: it is no class file in YAML or JSON ({said}); mend it"
        ) from error


def _first(error: ValidationError) -> str:
    """Pydantic's first complaint with the field, the value and a fix."""
    first = error.errors()[0]
    path = ".".join(map(str, first["loc"])) or "the file"
    if first["type"] == "extra_forbidden":
        fields = _Class.model_fields if first["loc"][0] == "classes" else _File.model_fields
        near = difflib.get_close_matches(str(first["loc"][-1]), fields, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(fields)}"
        return f"there is no field {path}; {hint}"
    if first["type"] == "missing":
        return f"{path} is missing; see the class files in shards/README.md"
    fix = {
        "string_type": "quote it, so that YAML takes it for text",
        "too_long": f"at most {MAX_CLASSES} classes fit into a label",
        "too_short": "name more",
        "value_error": "rename it",
    }.get(first["type"], "correct it")
    return f"{path} = {_short(first['input'])}: {first['msg']}; {fix}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _require_unique(fields: Iterable[tuple[str, Any]], where: str) -> None:
    seen: dict[Any, str] = {}
    for field, value in fields:
        if value in seen:
            raise DataError(
                f"{where}: {field} = {value!r} is that of {seen[value]}, too; give each its own"
            )
        seen[value] = field


def _train_id(name: str, known: dict[str, int], field: str) -> int:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
        raise DataError(f"{field}: there is no class {name!r}; {hint}")
    return known[name]


def _palette(file: _File, where: str) -> tuple[Colour, ...]:
    given = [one.colour for one in file.classes]
    fields = ((f"classes.{i}.colour", list(c)) for i, c in enumerate(given) if c is not None)
    _require_unique(((field, tuple(colour)) for field, colour in fields), where)
    free = (colour for colour in made_up_colours() if colour not in given)
    return tuple(colour if colour is not None else next(free) for colour in given)


def _box_names(file: _File, where: str) -> dict[str, int]:
    given = [
        (f"classes.{train_id}.{field}", name, train_id)
        for train_id, one in enumerate(file.classes)
        for field, names in (("name", [one.name]), ("names", one.names or ()))
        for name in names
        if field == "name" or name != one.name
    ]
    _require_unique(((field, name) for field, name, _ in given), where)
    return {name: train_id for _, name, train_id in given}


def _label_map(file: _File, where: str) -> LabelMap | None:
    """The map of ids, or of colours, if the file has either."""
    given = [(one.ids, one.colours) for one in file.classes]
    by_id = any(ids is not None for ids, _ in given) or bool(file.ignore)
    by_colour = any(colours is not None for _, colours in given) or bool(file.ignore_colours)
    if by_id and by_colour:
        raise DataError(
            f"{where}: it has both ids and colours, but labels hold one of them; give ids and "
            "ignore, or colours and ignore_colours"
        )
    if not by_id and all(colours is None for _, colours in given):
        colours = [one.colour for one in file.classes]
        if None in colours:
            return None
        values = [[_code(colour)] for colour in colours if colour is not None]
        return _mapped(file, values, colours=True, where=where)
    raw = [ids if by_id else colours for ids, colours in given]
    for train_id, (one, of_class) in enumerate(zip(file.classes, raw, strict=True)):
        if of_class is None:
            kind = "ids" if by_id else "colours"
            raise DataError(
                f"{where}: classes.{train_id} ({one.name}) has no {kind}, but other classes have; "
                f"give them, or {kind}: [] for a class that no label shows"
            )
    if by_id:
        return _mapped(file, [list(one.ids or ()) for one in file.classes], False, where)
    codes = [[_code(colour) for colour in one.colours or ()] for one in file.classes]
    return _mapped(file, codes, True, where)


def _mapped(file: _File, values: list[list[int]], colours: bool, where: str) -> LabelMap:
    ignored = [_code(colour) for colour in file.ignore_colours] if colours else list(file.ignore)
    owners = {value: "ignored" for value in ignored}
    train_ids = dict.fromkeys(ignored, IGNORED)
    for train_id, (one, of_class) in enumerate(zip(file.classes, values, strict=True)):
        for value in of_class:
            if value in owners:
                kind = "colour" if colours else "id"
                raise DataError(
                    f"{where}: the {kind} {shown_value(value, colours=colours)} of classes."
                    f"{train_id} ({one.name}) is {owners[value]}, too; leave it with one of them"
                )
            owners[value] = f"that of {one.name}"
            train_ids[value] = train_id
    if not colours:
        train_ids.setdefault(IGNORED, IGNORED)
    return LabelMap(train_ids=train_ids, colours=colours)


def _code(colour: Colour) -> int:
    red, green, blue = colour
    return red << 16 | green << 8 | blue
