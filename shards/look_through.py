"""`advent-dist shards classes`: what labels hold, and a class file to fill in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from advent_dist.data.classes import IGNORED, MAX_CLASSES
from advent_dist.data.label_format import ENDINGS, holds_colours
from advent_dist.data.label_map import shown_value
from advent_dist.data.store import Folder, open_file, open_folder
from advent_dist.errors import DataError
from advent_dist.printable import plain_console, printable
from shards.flags import LookThrough
from shards.layout import Glob
from shards.survey import Occurrence, Pair, Survey, looks

_MOST_VALUES = 4096
"""Of one label: what has more is a photograph, or a map of instances or depths."""


def look_through(asked: LookThrough) -> None:
    """Do it, and print a table.

    Raises:
        DataError: there is no label, one can't be read or has too many values, or `out` is there.
    """
    target = _free(asked.out) if asked.out is not None else None
    folder = open_folder(asked.labels)
    if folder.is_local and not Path(folder.path).is_dir():
        raise DataError(f"{folder.url}: there is no such folder; give that of the labels")
    names = [
        found.image
        for found in Glob(asked.glob).matches(folder.stamps())
        if found.image.lower().endswith(ENDINGS)
    ]
    if not names:
        raise DataError(
            f"{folder.url}: no label ({', '.join(ENDINGS)}) fits --glob {asked.glob!r}; give the "
            "folder of the labels"
        )
    first = f"{folder.url}/{names[0]}"
    colours = holds_colours(folder.read(names[0]), first)
    survey = Survey()
    pairs = [Pair(folder.url, name, None) for name in names]
    for look in looks(pairs, asked.processes, colours=colours):
        if len(look.values) > _MOST_VALUES:
            raise DataError(
                f"{folder.url}/{look.label}: it holds {len(look.values):,} values; is it a "
                "photograph, or a map of instances? Name the labels by --glob"
            )
        survey.add(look)
    plain_console().print(_table(survey, len(names), colours=colours))
    if target is not None:
        where, name = target
        where.write(name, "\n".join(_template(survey, colours=colours)).encode() + b"\n")


def _free(out: str) -> tuple[Folder, str]:
    folder, name = open_file(out)
    if folder.exists(name):
        raise DataError(f"--out {out}: it is there already; give another name, or delete it")
    return folder, name


def _table(survey: Survey, num_labels: int, *, colours: bool) -> Table:
    kind = "colour" if colours else "id"
    title = f"{len(survey.values)} {kind}s in {num_labels} labels"
    table = Table(kind, "share of pixels", "files", "first", title=title, title_justify="left")
    for value, known in survey.by_value():
        shown, first = shown_value(value, colours=colours), known.first[0]
        table.add_row(shown, _share(known, survey), f"{known.files:,}", printable(first))
    return table


def _share(known: Occurrence, survey: Survey) -> str:
    return f"{100 * known.pixels / max(survey.pixels, 1):.3f} %"


def _template(survey: Survey, *, colours: bool) -> Iterator[str]:
    field = "colours" if colours else "ids"
    void = [] if colours else [IGNORED]
    yield "# Name the classes, in the order that they are to have; put several values into one"
    yield "# class, and those of no class into the list of what is ignored."
    yield "name: my_classes"
    yield "ignore_colours: []" if colours else f"ignore: {void}"
    yield "classes:"
    named = [(v, known) for v, known in survey.by_value() if v not in void]
    if len(named) > MAX_CLASSES:
        yield f"  # {len(named)} are too many: at most {MAX_CLASSES} classes fit into a label"
    for number, (value, known) in enumerate(named):
        shown = shown_value(value, colours=colours)
        colour = f"colour: {shown}, " if colours else ""
        told = f"{_share(known, survey)} of the pixels, in {known.files} files"
        yield f"  - {{name: class {number}, {colour}{field}: [{shown}]}}  # {told}"
    yield "# Further means of the IoU, over some of the classes:"
    yield "# subsets:"
    yield "#   things: [class 0, class 1]"
