"""What one call asks of a run's folder. It is said anew each time and never stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg

from advent_dist.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Call:
    """What is to become of a run that is in the folder already."""

    resume: Annotated[bool, arg(aliases=["--run.resume"])] = False
    """Go on from the run's latest checkpoint."""

    overwrite: Annotated[bool, arg(aliases=["--run.overwrite"])] = False
    """Delete what the run there wrote, and nothing else; it is said what goes."""

    force: bool = False
    """Take the folder over from a command that is using it, which then ends."""

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise ConfigError("--resume and --overwrite: give one of the two")
