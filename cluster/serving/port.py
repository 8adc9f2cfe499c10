"""A port to listen at, taken before anything is started that would be for nothing."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from advent_dist.errors import ConfigError

_FIXES = {
    errno.EADDRINUSE: "another program listens there; give another --port (0 takes a free one)",
    errno.EACCES: "only root may listen there; give a --port of 1024 or more",
    errno.EADDRNOTAVAIL: "this machine has no such address; give a --host that it has",
}


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that takes connections, which wait until somebody accepts them.

    Raises:
        ConfigError: there can be none.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        taken = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # of a name that is none
        raise ConfigError(f"--host {host}: it is no address ({error}); give one") from error
    with taken:
        try:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(address)
            taken.listen()
        except OSError as error:
            why = _FIXES.get(error.errno or 0, f"{error.strerror}; give another --host or --port")
            raise ConfigError(f"--host {host} --port {port}: {why}") from error
        yield taken


def url_of(listener: socket.socket) -> str:
    """Where it is reached from a browser on this machine."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
