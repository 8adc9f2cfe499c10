"""Whether a Ray cluster answers at an address: Ray asks for minutes, then ends the process."""

from __future__ import annotations

import os
import socket

import grpc

_TIMEOUT_S = 5.0
_NO_PROXY = (("grpc.enable_http_proxy", 0),)
"""As Ray connects."""


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
    reason = why_no_connection(host.strip("[]"), int(port))
    # Every port of Ray that takes connections speaks gRPC.
    if reason or os.environ.get("RAY_USE_TLS") == "1":
        return reason
    try:
        with grpc.insecure_channel(f"{host}:{port}", _NO_PROXY) as channel:
            grpc.channel_ready_future(channel).result(timeout=_TIMEOUT_S)
    except grpc.FutureTimeoutError:
        return "who answers there is not Ray"
    return ""


def why_no_connection(host: str, port: int) -> str:
    """Why nobody takes connections at a port, or nothing."""
    try:
        socket.create_connection((host, port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
