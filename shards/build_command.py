"""`advent-dist shards build NAME`: its flags, which depend on the data set, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

import tyro
from tyro.conf import OmitArgPrefixes

from advent_dist.data.manifest import Manifest
from advent_dist.errors import DataError
from shards.dataset import Reader
from shards.encode import EncodeAll
from shards.flags import Destination
from shards.options import BuildOptions, ClusterOptions
from shards.readers import reader_of
from shards.write import build

OnRay = Callable[[str | None], AbstractContextManager[EncodeAll]]
R = TypeVar("R")


@dataclass(frozen=True)
class _Output:
    destination: Destination
    """Local folder or s3:// URL that the shards are written to."""


@dataclass(frozen=True)
class _Build(Generic[R]):
    data_set: OmitArgPrefixes[R]
    output: OmitArgPrefixes[_Output]
    writing: OmitArgPrefixes[BuildOptions]
    cluster: OmitArgPrefixes[ClusterOptions]


def build_as_told(name: str, arguments: list[str], on_ray: OnRay) -> tuple[Manifest, str]:
    """Build shards of a data set.

    Args:
        name: The data set's.
        arguments: The rest of the command line.
        on_ray: A cluster's address -> while it is connected to, a way to encode there.

    Returns:
        The manifest of what is there now, and where.

    Raises:
        UserError: a mistake that the message explains.
    """
    asked = _parsed(reader_of(name), arguments)
    destination = asked.output.destination
    if asked.cluster.ray:
        if asked.writing.processes is not None:
            raise DataError("shards build: --processes is of use without --ray only; leave it out")
        with on_ray(asked.cluster.address) as encode:
            return build(asked.data_set, destination, asked.writing, encode), destination
    return build(asked.data_set, destination, asked.writing), destination


def _parsed(reader: type[Reader], arguments: list[str]) -> _Build[Reader]:
    parsed: _Build[Reader] = tyro.cli(
        _Build[reader],  # type: ignore[valid-type]
        args=arguments,
        prog=f"advent-dist shards build {reader.name}",
        description=reader.__doc__,
    )
    return parsed
