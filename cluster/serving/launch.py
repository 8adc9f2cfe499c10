"""From a model to a server that answers, until it is told to end."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import uvicorn
from starlette.applications import Starlette

from advent_dist.errors import ConfigError, LostError
from advent_dist.printable import printable
from advent_dist.runs.serving.answer import Answerer
from advent_dist.runs.serving.open import About
from cluster.serving.app import build_app
from cluster.serving.deployed import deployed
from cluster.serving.options import ServeOptions
from cluster.serving.port import url_of

_GRACE_S = 5
"""Seconds for what is being answered at the end."""


def serve_forever(
    answerer: Answerer, about: About, options: ServeOptions, listener: socket.socket
) -> None:
    """Answer until a signal to end raises `Interrupted`.

    Args:
        answerer: The model, on the CPU.
        about: What it is.
        options: Who answers, and what is refused.
        listener: Where it is reached.

    Raises:
        ConfigError: there are too few CPUs or GPUs, or Ray does not start.
        LostError: the workers do not start, or the server has ended by itself.
    """
    _require_gpus(options)
    with (
        deployed(answerer, options) as (ask, works),
        answering(build_app(ask, about, options, works), listener) as thread,
    ):
        names = (
            f"{name} ({about.checkpoint} checkpoint{'' if step is None else f', step {step}'})"
            for name, step in zip(about.runs, about.steps, strict=True)
        )
        where = f"{' and '.join(names)} at {url_of(listener)}"
        sys.stdout.write(printable(f"-- serving {where}; Ctrl-C ends it\n"))
        sys.stdout.flush()
        thread.join()
        raise LostError("the server has ended by itself; its output says why. Start it again")


def _require_gpus(options: ServeOptions) -> None:
    """Before Ray is started, which takes seconds."""
    wanted, there = options.workers * options.gpus_per_worker, torch.cuda.device_count()
    if wanted > there:
        raise ConfigError(
            f"--gpus-per-worker {options.gpus_per_worker}: {options.workers} workers take {wanted} "
            f"GPUs, but PyTorch sees {there} here; give fewer, or 0 to compute on CPUs"
        )


@contextmanager
def answering(app: Starlette, listener: socket.socket) -> Iterator[threading.Thread]:
    """An HTTP server in a thread, where it leaves signals alone."""
    config = uvicorn.Config(
        app,
        # The one that bounds what it keeps of a request's header.
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        server.should_exit = True
        thread.join()
