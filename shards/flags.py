"""The flags of `advent-dist shards`, but those of `build`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

Destination = Annotated[str, Positional, arg(metavar="DST")]


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


@dataclass(frozen=True, kw_only=True)
class Adopt:
    """Write a manifest beside WebDataset tars of any tool, which stay as they are.

    Labels are mapped to train ids whenever they are read, as the class file says.
    """

    url: Annotated[str, Positional, arg(metavar="URL")]
    """Local folder or s3:// URL that holds the tars."""

    image: str
    """Extension of the images, after the sample's key: jpg."""

    label: str | None = None
    """Extension of the labels, such as seg.png; none reads no labels."""

    classes: str | None = None
    """Class file, YAML or JSON, that says what labels hold (see `advent-dist shards classes`), or
    the name of a published one; shards/README.md lists them."""


@dataclass(frozen=True, kw_only=True)
class LookThrough:
    """Print every id or colour of a folder of labels, and write a class file to fill in."""

    labels: Annotated[str, Positional, arg(metavar="LABELS")]
    """Local folder or s3:// URL of the labels."""

    out: str | None = None
    """Class file to write, for `shards build folder --classes`; it must not be there yet."""

    glob: str = "**/*"
    """Pattern of the labels' names: **/ is any folders, * anything in a name."""

    processes: int | None = None
    """Processes that read; none decides by the cores and the number of labels."""
