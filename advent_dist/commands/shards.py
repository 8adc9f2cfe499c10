"""`advent-dist shards ...`: see the `shards` package."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from shards import command

if TYPE_CHECKING:
    from shards.encode import EncodeAll


def main(arguments: list[str]) -> int:
    """Run the command line; see `shards.command.main`."""
    return command.main(arguments, _on_ray)


def _on_ray(address: str | None) -> AbstractContextManager[EncodeAll]:
    from cluster.encode import on_ray  # here, since importing Ray takes seconds

    return on_ray(address)
