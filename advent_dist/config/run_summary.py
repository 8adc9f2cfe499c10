"""What a run's summary.json has to hold, before anybody reads a number of it.

It may be a stranger's, or written by hand.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import NotRequired, TypedDict

from advent_dist.config.selection import MEASURES
from advent_dist.errors import DataError

_Number = float | None
"""None where it is not known."""

_ByClass = dict[str, _Number]
_BY_CLASS = ("per_class", "subsets")
_NUMBERS = {"mean_entropy", "live_classes", *(one.number for one in MEASURES.values())}
"""Names of numbers; of others it is not known what they are."""

_Numbers = dict[str, _Number | _ByClass]


@with_config(ConfigDict(extra="allow"))
class _Scores(TypedDict):
    step: int
    target: _Numbers
    source: NotRequired[_Numbers | None]


@with_config(ConfigDict(extra="allow", strict=True))
class _Summary(TypedDict, total=False):
    step: int
    steps: int
    finished: bool
    selected_by: str
    last: _Scores | None
    best: _Scores | None
    checkpoints: dict[str, str]


def _is_right(name: str, value: float | _ByClass | None) -> bool:
    if name in _NUMBERS:
        return not isinstance(value, dict)
    return isinstance(value, dict) or name not in _BY_CLASS


@cache
def _adapter() -> TypeAdapter[_Summary]:
    return TypeAdapter(_Summary)


def checked_summary(tree: dict[str, Any], where: str) -> dict[str, Any]:
    """The same tree, whose numbers are numbers.

    Args:
        tree: What the file says.
        where: Its path or URL.

    Raises:
        DataError: it holds something else; names the field.
    """
    try:
        _adapter().validate_python(tree)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if str(part).isidentifier())
        raise DataError(
            f"{where}: {field} = {str(first['input'])[:60]!r}: {first['msg']}; copy the run again"
        ) from error
    for which, side in product(("last", "best"), ("target", "source")):
        for name, value in ((tree.get(which) or {}).get(side) or {}).items():
            if not _is_right(name, value):
                raise DataError(
                    f"{where}: {which}.{side}.{name} = {str(value)[:60]!r} is not what its name "
                    "says, a number or numbers by class; copy the run again"
                )
    selected_by = tree.get("selected_by", "target_miou")
    if selected_by not in MEASURES:
        raise DataError(
            f"{where}: selected_by = {str(selected_by)[:60]!r} is no measure of advent-dist; copy "
            "the run again"
        )
    return tree
