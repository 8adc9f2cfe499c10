"""Who works in a folder: a process of some machine, which may have died."""

from __future__ import annotations

import getpass
import os
import socket
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from advent_dist.processes import is_alive

_HIDDEN = "hidden"
"""The start of a process that is there, but that /proc does not show to others than its owner."""


@dataclass(frozen=True, kw_only=True)
class Claimant:
    """A command that wants a folder, or has it."""

    id: str
    """Of this claim: random."""

    user: str
    """Name of who started it."""

    host: str
    """Name of the machine."""

    pid: int
    """Process on it."""

    machine: str
    """The boot of the machine and the namespace that `pid` counts in."""

    started: str
    """When the process started, in the machine's own count."""

    since: float
    """Unix seconds."""

    state: Literal["asks", "holds"]
    """Whether the folder is its own."""

    force: bool
    """Whether it takes the folder from who holds it."""

    def __str__(self) -> str:
        """As messages name it."""
        at = datetime.fromtimestamp(self.since, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"process {self.pid} of {self.user} on {self.host} since {at}"

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this very machine."""
        return self.machine == _machine()

    @property
    def has_died(self) -> bool:
        """Whether it is known to be gone, which can be told of this very machine's processes."""
        return self.is_here and _start_of(self.pid) not in (self.started, _HIDDEN)


def this_process(*, force: bool) -> Claimant:
    """A new claim of this process, which asks for a folder."""
    return Claimant(
        id=uuid.uuid4().hex,
        user=_user(),
        host=socket.gethostname(),
        pid=os.getpid(),
        machine=_machine(),
        started=_start_of(os.getpid()),
        since=time.time(),
        state="asks",
        force=force,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return uuid.uuid4().hex  # none that any process is known to be of


def _start_of(pid: int) -> str:
    """When a process of this machine started, in ticks since the boot; empty if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return _HIDDEN if is_alive(pid) else ""
    # The second field, the program's name in parentheses, may hold spaces; the start is the 22nd.
    return stat.rpartition(")")[2].split()[19]
