"""`advent-dist shards {build,classes,adopt,verify,info,show}`."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Annotated, Generic, TypeVar

import tyro
from tyro.conf import OmitArgPrefixes, Positional, arg

from advent_dist.data.box_manifest import lacking_boxes
from advent_dist.data.manifest import Manifest, lacking
from advent_dist.data.store import read_manifest
from advent_dist.errors import DataError
from advent_dist.printable import plain_console, printable
from shards.adopt import Adopt, adopt
from shards.dataset import Reader
from shards.encode import EncodeAll
from shards.info import tables
from shards.look_through import LookThrough, look_through
from shards.options import BuildOptions, ClusterOptions
from shards.readers import READERS
from shards.show import write_contact_sheet
from shards.verify import verify
from shards.write import build

Destination = Annotated[str, Positional, arg(metavar="DST")]
OnRay = Callable[[str | None], AbstractContextManager[EncodeAll]]
"""A cluster's address -> while it is connected to, a way to encode there."""
R = TypeVar("R")

_NAMES = textwrap.fill(", ".join(READERS), 90, initial_indent=" " * 9, subsequent_indent=" " * 9)

_USAGE = f"""\
usage: advent-dist shards build NAME SRC DST [options]   (streets has no SRC), where NAME is
{_NAMES}
       advent-dist shards classes LABELS [--out CLASSES.yaml] [--glob PATTERN]
       advent-dist shards adopt URL --image jpg [--label seg.png --classes CLASSES.yaml]
       advent-dist shards verify DST [--json]
       advent-dist shards info DST [--json]
       advent-dist shards show DST --out PAGE.html [--samples N]
       advent-dist shards build NAME --help      every option with its meaning and default
"""


@dataclass(frozen=True)
class Inspection:
    """A folder of shards."""

    destination: Destination
    """Local folder or s3:// URL that holds a manifest."""

    json: bool = False
    """Print JSON for programs, not tables."""


@dataclass(frozen=True)
class ContactSheet:
    """Samples of a folder of shards with their labels and class frequencies, on one HTML page."""

    destination: Destination
    """Local folder or s3:// URL that holds a manifest."""

    out: str
    """Path or URL of the page's file; replaced if it is there."""

    samples: int = 24
    """Samples to show at most, evenly spaced over the data set."""


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


def main(arguments: list[str], on_ray: OnRay) -> int:
    """Run one of the commands.

    Args:
        arguments: The command line.
        on_ray: What `build --ray` encodes with; this package does not know Ray.

    Returns:
        The exit status: 0 done, 1 `verify` found problems, 2 wrong usage.

    Raises:
        UserError: a mistake that the message explains.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(_USAGE)
        return 0 if arguments else 2
    name, *rest = arguments
    if name == "build":
        return _build(rest, on_ray)
    if name not in _COMMANDS:
        sys.stderr.write(f"advent-dist shards: there is no command {name!r}\n\n{_USAGE}")
        return 2
    return _COMMANDS[name](rest)


def _build(arguments: list[str], on_ray: OnRay) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(_USAGE)
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in READERS:
        raise DataError(f"shards build: no data set {name!r}; choose from {sorted(READERS)}")
    asked = _parse_build(READERS[name], rest)
    destination = asked.output.destination
    if asked.cluster.ray:
        if asked.writing.processes is not None:
            raise DataError("shards build: --processes is of use without --ray only; leave it out")
        with on_ray(asked.cluster.address) as encode:
            manifest = build(asked.data_set, destination, asked.writing, encode)
    else:
        manifest = build(asked.data_set, destination, asked.writing)
    _tell(manifest, destination)
    return 0


def _tell(manifest: Manifest, destination: str) -> None:
    size = f"{manifest.num_bytes / 1e6:.1f} MB in {len(manifest.shards)} shards"
    sys.stdout.write(f"{destination}: {manifest.num_samples} samples, {size}\n")
    for said in lacking(manifest, destination), lacking_boxes(manifest.boxes, destination):
        if said is not None:
            sys.stderr.write(f"warning: {said}\n")


def _adopt(arguments: list[str]) -> int:
    asked = tyro.cli(Adopt, args=arguments, prog="advent-dist shards adopt")
    _tell(adopt(asked), asked.url)
    return 0


def _parse_build(reader: type[Reader], arguments: list[str]) -> _Build[Reader]:
    parsed: _Build[Reader] = tyro.cli(
        _Build[reader],  # type: ignore[valid-type]
        args=arguments,
        prog=f"advent-dist shards build {reader.name}",
        description=reader.__doc__,
    )
    return parsed


def _verify(arguments: list[str]) -> int:
    asked = tyro.cli(Inspection, args=arguments, prog="advent-dist shards verify")
    verdict = verify(asked.destination)
    if asked.json:
        sys.stdout.write(json.dumps(asdict(verdict), indent=1) + "\n")
    else:
        sys.stdout.write("".join(f"{printable(one)}\n" for one in verdict.problems))
        sys.stdout.write("".join(f"warning: {said}\n" for said in verdict.warnings))
        state = f"{len(verdict.problems)} problems" if verdict.problems else "all well"
        size = f"{verdict.num_samples} samples in {verdict.num_shards} shards"
        sys.stdout.write(f"{verdict.url}: {size}, {verdict.num_bytes / 1e6:.1f} MB: {state}\n")
    return 1 if verdict.problems else 0


def _info(arguments: list[str]) -> int:
    asked = tyro.cli(Inspection, args=arguments, prog="advent-dist shards info")
    manifest = read_manifest(asked.destination)
    if asked.json:
        sys.stdout.write(json.dumps(asdict(manifest), indent=1) + "\n")
    else:
        plain_console().print(tables(manifest, asked.destination))
    return 0


def _show(arguments: list[str]) -> int:
    asked = tyro.cli(ContactSheet, args=arguments, prog="advent-dist shards show")
    count = write_contact_sheet(asked.destination, asked.out, asked.samples)
    sys.stdout.write(f"{asked.out}: {count} samples of {asked.destination}\n")
    return 0


def _classes(arguments: list[str]) -> int:
    asked = tyro.cli(LookThrough, args=arguments, prog="advent-dist shards classes")
    look_through(asked)
    if asked.out is not None:
        sys.stdout.write(f"{asked.out}: name the classes there\n")
    return 0


_COMMANDS = {"classes": _classes, "adopt": _adopt, "verify": _verify, "info": _info, "show": _show}
