"""`advent-dist serve RUN [RUN ...]`: answer images that are sent by HTTP, until Ctrl-C."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Literal

import tyro

from advent_dist.config import View
from advent_dist.errors import ConfigError
from cluster.serving.options import ServeOptions

_NEEDED = ("fastapi", "starlette", "uvicorn")
"""Of what the extra brings, what the server and Ray Serve import first."""


@dataclass(frozen=True, kw_only=True)
class Serve(ServeOptions, View):
    """Serve trained segmenters or a detector by HTTP, on Ray Serve: POST an image to /predict."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders or their URLs, or those of exports; several segmenters are averaged."""

    which: Literal["last", "best"] = "last"
    """Checkpoint of each run."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    options = tyro.cli(Serve, args=arguments, prog="advent-dist serve")
    if not options.runs:
        sys.stderr.write("advent-dist serve: give at least one run folder; see --help\n")
        return 2
    options.check()
    if any(find_spec(name) is None for name in _NEEDED):
        raise ConfigError("serving takes Ray Serve; pip install 'advent-dist[serve]'")
    from cluster.serving.port import listening

    with listening(options.host, options.port) as listener:
        # Networks and Ray: seconds of imports, for a port that is free.
        from advent_dist.runs.serving.open import open_answerer
        from cluster.serving.launch import serve_forever

        answerer, about = open_answerer(options.runs, options.which, options)
        serve_forever(answerer, about, options, listener)
    return 0
