"""Whether anybody listens at a cluster's address: Ray asks for minutes, then ends the process."""

from __future__ import annotations

import socket

_TIMEOUT_S = 5.0


def why_unreachable(address: str) -> str:
    """Try to connect to a Ray cluster's address.

    Args:
        address: host:port, ray://host:port, or a word such as `auto`, which Ray resolves.

    Returns:
        Why it can't be reached, or nothing.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return ""
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
