"""What a worker logs, each line with its run or trial and its rank."""

from __future__ import annotations

import logging
import posixpath
import socket
from typing import TYPE_CHECKING

from advent_dist.config import Experiment
from advent_dist.printable import PrintableFormatter

if TYPE_CHECKING:  # PyTorch, which Ray Train's controller does without
    from advent_dist.parallel.world import World

_log = logging.getLogger(__name__)


def run_label(experiment: Experiment) -> str:
    """Names a run among others: its folder and the one around it, as in `trials/00003`."""
    run = experiment.run
    around = posixpath.basename(run.storage.rstrip("/"))
    return posixpath.join(around, run.name or experiment.name)


def log_as(experiment: Experiment, world: World) -> None:
    """Log from now on as this rank of this run; a process may be several in turn."""
    place = f"[{run_label(experiment)} rank {world.rank}/{world.size}]".replace("%", "%%")
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter(f"{place} %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    _log.info("%s on %s, process group of %d", world.device, socket.gethostname(), world.size)
