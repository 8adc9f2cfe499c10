"""`advent-dist shards {build,classes,adopt,verify,info,show}`."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING

import tyro

from advent_dist.errors import DataError
from advent_dist.printable import plain_console, printable
from shards.flags import Adopt, ContactSheet, Inspection, LookThrough
from shards.readers import NAMES

if TYPE_CHECKING:
    from advent_dist.data.manifest import Manifest
    from shards.encode import EncodeAll

    OnRay = Callable[[str | None], AbstractContextManager[EncodeAll]]
    """A cluster's address -> while it is connected to, a way to encode there."""

# What the commands do is imported by each of them: PyTorch takes seconds, and `--help` should not.

_NAMES = textwrap.fill(", ".join(NAMES), 90, initial_indent=" " * 9, subsequent_indent=" " * 9)

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
    if name not in NAMES:
        raise DataError(f"shards build: no data set {name!r}; choose from {sorted(NAMES)}")
    from shards.build_command import build_as_told

    _tell(*build_as_told(name, rest, on_ray))
    return 0


def _tell(manifest: Manifest, destination: str) -> None:
    from advent_dist.data.box_manifest import lacking_boxes
    from advent_dist.data.manifest import lacking

    size = f"{manifest.num_bytes / 1e6:.1f} MB in {len(manifest.shards)} shards"
    sys.stdout.write(f"{destination}: {manifest.num_samples} samples, {size}\n")
    for said in lacking(manifest, destination), lacking_boxes(manifest.boxes, destination):
        if said is not None:
            sys.stderr.write(f"warning: {said}\n")


def _adopt(arguments: list[str]) -> int:
    asked = tyro.cli(Adopt, args=arguments, prog="advent-dist shards adopt")
    from shards.adopt import adopt

    _tell(adopt(asked), asked.url)
    return 0


def _verify(arguments: list[str]) -> int:
    asked = tyro.cli(Inspection, args=arguments, prog="advent-dist shards verify")
    from shards.verify import verify

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
    from advent_dist.data.store import read_manifest
    from shards.info import tables

    manifest = read_manifest(asked.destination)
    if asked.json:
        sys.stdout.write(json.dumps(asdict(manifest), indent=1) + "\n")
    else:
        plain_console().print(tables(manifest, asked.destination))
    return 0


def _show(arguments: list[str]) -> int:
    asked = tyro.cli(ContactSheet, args=arguments, prog="advent-dist shards show")
    from shards.show import write_contact_sheet

    count = write_contact_sheet(asked.destination, asked.out, asked.samples)
    sys.stdout.write(f"{asked.out}: {count} samples of {asked.destination}\n")
    return 0


def _classes(arguments: list[str]) -> int:
    asked = tyro.cli(LookThrough, args=arguments, prog="advent-dist shards classes")
    from shards.look_through import look_through

    look_through(asked)
    if asked.out is not None:
        sys.stdout.write(f"{asked.out}: name the classes there\n")
    return 0


_COMMANDS = {"classes": _classes, "adopt": _adopt, "verify": _verify, "info": _info, "show": _show}
