"""XML that anybody may have written: elements and text, and no document type.

Entities, by which a few bytes become gigabytes or another file's content, are declared there alone.
"""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers.expat import ExpatError, ParserCreate

from advent_dist.errors import DataError

_MOST_BYTES = 16 * 2**20
_MOST_LEVELS = 100


def xml_tree(data: bytes, where: str) -> Element:
    """The root element of an XML text.

    Raises:
        DataError: it is no XML, declares a document type, or is too large; `where` names it.
    """
    if len(data) > _MOST_BYTES:
        raise DataError(f"{where}: it has {len(data)} bytes, too many for boxes of an image")
    builder, parser, depth = TreeBuilder(), ParserCreate(), 0

    def refuse(*_: Any) -> None:
        raise DataError(f"{where}: it declares a document type (DOCTYPE); remove that")

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MOST_LEVELS:
            raise DataError(f"{where}: it is deeper than {_MOST_LEVELS} levels; correct it")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except (ExpatError, ValueError, LookupError) as error:
        raise DataError(f"{where}: it is no XML ({error}); correct it") from error
    return builder.close()
