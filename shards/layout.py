"""Which files of a folder are images, and which label belongs to each: globs, patterns and lists.

Only names are looked at here, relative to the folder, with / between folders on any storage.
"""

from __future__ import annotations

import posixpath
import re
import string
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from advent_dist.errors import DataError

_WILD = re.compile(r"[*?\[]")
_FIELDS = ("path", "name", "parent")


class Found(NamedTuple):
    """An image, and what label patterns call it."""

    image: str
    """Its name, relative to the folder."""

    path: str
    """The part of it that the glob leaves open, without its ending."""

    wild: tuple[str, ...] = ()
    """What each wildcard of the glob stands for, in their order."""


@dataclass(frozen=True)
class Glob:
    """A pattern of names: `**/` any folders or none, `*` and `?` within a name, `[abc]`.

    Endings match in either case.
    """

    pattern: str

    flag: str = "--images"
    """What messages call it."""

    def __post_init__(self) -> None:
        if not self.pattern or self.pattern.startswith("/") or "\\" in self.pattern:
            raise DataError(f"{self.flag} {self.pattern!r}: give a pattern relative to SRC")

    @property
    def fixed(self) -> str:
        """The folder that all matches lie in."""
        parts = self.pattern.split("/")[:-1]
        wild = (place for place, part in enumerate(parts) if _WILD.search(part))
        return "/".join(parts[: next(wild, len(parts))])

    @property
    def tail(self) -> str:
        """What all matches end with, before the ending: `_leftImg8bit` of `*_leftImg8bit.png`."""
        stem = posixpath.splitext(self.pattern.rsplit("/", 1)[-1])[0]
        _, star, tail = stem.rpartition("*")
        return tail if star and not _WILD.search(tail) else ""

    def matches(self, names: Iterable[str]) -> list[Found]:
        """The images among files, sorted; hidden files and folders are none."""
        expression = re.compile(_expression(_plain(self.pattern)))
        found = [(name, expression.fullmatch(_plain(name))) for name in sorted(names)]
        return [
            self._found(name, match)
            for name, match in found
            if match is not None and not is_hidden(name)
        ]

    def beside(self, names: Iterable[str], matched: Sequence[Found]) -> list[str]:
        """The files that lie where the images do, these too, sorted; hidden ones are none."""
        folders = {posixpath.dirname(one.image) for one in matched}
        return [
            name
            for name in sorted(names)
            if not is_hidden(name)
            and (posixpath.dirname(name) in folders or (self.fixed and _is_in(name, self.fixed)))
        ]

    def _found(self, name: str, match: re.Match[str]) -> Found:
        inside = name.removeprefix(f"{self.fixed}/") if self.fixed else name
        wild = tuple(part.removesuffix("/") for part in match.groups())
        return Found(name, posixpath.splitext(inside)[0].removesuffix(self.tail), wild)


class LabelPattern:
    """Which file is the label of an image: `gt/{path}_labelIds.png`, or `gt/{path}.*`.

    Args:
        pattern: With {path}, or {parent} and {name}: the folder and the name in it; or with {1},
            {2}, ...: what the wildcards of the images' pattern stand for.
        names: The files that there are.

    Raises:
        DataError: the pattern has no such field, or another one.
    """

    def __init__(self, pattern: str, names: Iterable[str]) -> None:
        try:
            parsed = string.Formatter().parse(pattern)
            fields = {field for _, field, _, _ in parsed if field is not None}
        except ValueError as error:
            raise DataError(f"--labels {pattern!r}: {error}; write {{path}}") from error
        numbers = {field for field in fields if re.fullmatch("[1-9][0-9]?", field)}
        if fields - {*_FIELDS} - numbers:
            wrong = sorted(fields - {*_FIELDS} - numbers)[0]
            raise DataError(f"--labels {pattern!r}: no field {{{wrong}}}; there are {_shown()}")
        if not fields & {"path", "name"} and not numbers:
            raise DataError(
                f"--labels {pattern!r}: all images would have one label; use {_shown()}"
            )
        self._pattern = pattern
        self._num_wild = max(map(int, numbers), default=0)
        self._any_ending = pattern.endswith(".*")
        self._names: dict[str, list[str]] = defaultdict(list)
        for name in names:
            if not is_hidden(name):
                self._names[self._plain(name)].append(name)

    def label_of(self, found: Found) -> str | None:
        """The label's name; None if there is no such file.

        Raises:
            DataError: two files fit, or the images' pattern has too few wildcards.
        """
        parent, name = posixpath.split(found.path)
        if self._num_wild > len(found.wild):
            raise DataError(
                f"--labels {self._pattern!r}: {{{self._num_wild}}}, but --images has "
                f"{len(found.wild)} wildcards; use {_shown()}"
            )
        wanted = self._pattern.format(None, *found.wild, path=found.path, parent=parent, name=name)
        wanted = posixpath.normpath(wanted.removesuffix(".*") if self._any_ending else wanted)
        wanted = wanted.lstrip("/")  # of a wildcard that stands for no folder
        there = self._names.get(_plain(wanted), [])
        there = [one for one in there if one != found.image]
        if len(there) > 1:
            raise DataError(
                f"{found.image}: {there[0]} and {there[1]} both fit --labels {self._pattern!r}; "
                "name the ending, or remove one"
            )
        return there[0] if there else None

    def fitting(self) -> list[str]:
        """The files that lie where labels do and end as they do, sorted."""
        before, _, after = self._pattern.removesuffix(".*").rpartition("}")
        folder = posixpath.dirname(before.partition("{")[0])
        return sorted(
            name
            for names in self._names.values()
            for name in names
            if folder
            and _is_in(name, folder)
            and (posixpath.splitext(name)[0] if self._any_ending else name).endswith(after)
        )

    def _plain(self, name: str) -> str:
        return _plain(posixpath.splitext(name)[0] if self._any_ending else name)


def read_list(text: bytes, where: str, found: Sequence[Found]) -> list[tuple[Found, str | None]]:
    """The images of a list, in its order, each with its label if the list has a second column.

    A line is an image, or image and label with a tab, a comma or a blank in between. An image is
    named as in the folder, or as label patterns call it, as the lists of PASCAL VOC do.

    Args:
        text: The file.
        where: Names it in messages.
        found: The images that there are.

    Raises:
        DataError: a line names no image, or has more than two columns.
    """
    try:
        lines = text.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: it is no text in UTF-8 ({error}); convert it") from error
    known = {_plain(one.path): one for one in found} | {_plain(one.image): one for one in found}
    chosen: list[tuple[Found, str | None]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("# "):
            continue
        image, label = _columns(line.strip(), known, f"{where}, line {number}")
        chosen.append((known[_named(image)], label))
    if not chosen:
        raise DataError(f"{where}: it names no image; give one a line")
    return chosen


def _columns(line: str, known: dict[str, Found], where: str) -> tuple[str, str | None]:
    if _named(line) in known:
        return line, None
    for separator in ("\t", ",", None):
        parts = [part.strip().strip('"') for part in line.split(separator)]
        if len(parts) == 2 and _named(parts[0]) in known:
            return parts[0], parts[1]
    raise DataError(
        f"{where}: {line!r} names no image of SRC that fits --images; give its name relative to "
        "SRC, and with a label a tab or comma after it"
    )


def _named(name: str) -> str:
    return _plain(posixpath.normpath(name).lstrip("/"))


def _plain(name: str) -> str:
    """A name without what must not count: the ending's case, and how accents are written."""
    stem, ending = posixpath.splitext(name)
    return unicodedata.normalize("NFC", stem + ending.lower())


def _is_in(name: str, folder: str) -> bool:
    return name.startswith(f"{folder}/")


def is_hidden(name: str) -> bool:
    """Whether a file or a folder that it lies in is hidden, as those are that macOS adds."""
    return any(part.startswith(".") for part in name.split("/"))


def _expression(pattern: str) -> str:
    """The regular expression of a glob, with a group for each wildcard."""
    token = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|.", re.DOTALL)
    meanings = {"**/": "((?:[^/]+/)*)", "**": "(.*)", "*": "([^/]*)", "?": "([^/])"}
    return "".join(
        meanings.get(part) or (_class(part) if len(part) > 1 else re.escape(part))
        for part in token.findall(pattern)
    )


def _class(brackets: str) -> str:
    inside = brackets[1:-1]
    return f"([^{re.escape(inside[1:])}/])" if inside.startswith("!") else f"([{inside}])"


def _shown() -> str:
    return ", ".join(f"{{{field}}}" for field in (*_FIELDS, "1", "2")) + ", ..."
