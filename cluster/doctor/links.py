"""Speed: between nodes by plain TCP, as gloo and NCCL use it, and from storage."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from advent_dist.data.manifest import Manifest
from advent_dist.data.store import Folder
from cluster.doctor.finding import Finding, failure, ok, warning

_MB = 1e6
_SENT_BYTES = 64 * 2**20
_PIECE = 8 * 2**20
_LASTS_S = 5.0
_TIMEOUT_S = 10.0

_SLOW_LINK_MB_PER_S = 100.0
"""Less than Gigabit Ethernet gives."""

_SLOW_READ_MB_PER_S = 20.0
"""Less than a spinning disk gives; `data_wait_fraction` of a run tells what it costs."""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Bytes that were moved, or why they were not."""

    num_bytes: int = 0
    seconds: float = 0.0
    error: str = ""

    @property
    def mb_per_s(self) -> float:
        """10^6 bytes a second."""
        return self.num_bytes / _MB / max(self.seconds, 1e-9)


def serve(host: str) -> int:
    """Send bytes to whoever connects first, in a thread; give up when nobody does.

    Returns:
        The port, one that the system chose: gloo and NCCL listen on such ports too.
    """
    listener = socket.create_server((host, 0))
    listener.settimeout(3 * _TIMEOUT_S)
    port: int = listener.getsockname()[1]

    def send() -> None:
        piece = bytes(_PIECE)
        with listener:
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(_TIMEOUT_S)
                    for _ in range(_SENT_BYTES // _PIECE):
                        connection.sendall(piece)
            except OSError:
                return  # the other side says what went wrong

    threading.Thread(target=send, daemon=True).start()
    return port


def fetch(host: str, port: int) -> Transfer:
    """Receive what `serve` sends, for as long as that is worth it."""
    received, start = 0, time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connection:
            start = time.monotonic()
            while time.monotonic() - start < _LASTS_S:
                piece = connection.recv(_PIECE)
                if not piece:
                    break
                received += len(piece)
    except OSError as error:
        return Transfer(error=str(error) or type(error).__name__)
    return Transfer(num_bytes=received, seconds=time.monotonic() - start)


def read_some(folder: Folder, manifest: Manifest) -> Transfer:
    """Read shards by ranges for some seconds, at most 64 MiB.

    Raises:
        DataError: a shard can't be read.
    """
    received, start = 0, time.monotonic()
    for shard in manifest.shards:
        for first in range(0, shard.num_bytes, _PIECE):
            late = time.monotonic() - start > _LASTS_S
            if late or received >= _SENT_BYTES:
                return Transfer(num_bytes=received, seconds=time.monotonic() - start)
            last = min(first + _PIECE, shard.num_bytes)
            received += len(folder.read_range(shard.name, first, last))
    return Transfer(num_bytes=received, seconds=time.monotonic() - start)


def judge_links(links: Mapping[tuple[str, str], Transfer]) -> list[Finding]:
    """Whether nodes reach each other, and fast enough.

    Args:
        links: (sender, receiver) -> what was received.
    """
    findings = []
    for (sender, receiver), transfer in links.items():
        where = f"{sender} -> {receiver}"
        if transfer.error or not transfer.num_bytes:
            said = f"no connection: {transfer.error or 'nothing arrived'}"
            fix = "let the nodes reach all of each other's TCP ports (security group, firewall)"
            findings.append(failure("network", where, said, fix))
        elif transfer.mb_per_s < _SLOW_LINK_MB_PER_S:
            said = f"{transfer.mb_per_s:.0f} MB/s: gradients would take long"
            fix = "one zone or placement group, faster instances, --cluster.placement PACK"
            findings.append(warning("network", where, said, fix))
        else:
            findings.append(ok("network", where, f"{transfer.mb_per_s:.0f} MB/s"))
    return findings


def judge_reads(nodes: Mapping[str, Transfer], where: str) -> list[Finding]:
    """Whether shards come fast enough.

    Args:
        nodes: Name of a node -> what it read while all others did the same.
        where: URL of the shards.
    """
    findings = []
    for node, transfer in nodes.items():
        if transfer.error:
            fix = "copy or build the shards again: advent-dist shards verify tells which"
            findings.append(failure("reading", node, transfer.error, fix))
            continue
        said = f"{transfer.mb_per_s:.0f} MB/s from {where}, all nodes at once"
        if transfer.num_bytes >= _PIECE and transfer.mb_per_s < _SLOW_READ_MB_PER_S:
            fix = "--data.cache-dir on a local disk, or a bucket in the nodes' own region"
            findings.append(warning("reading", node, said, fix))
        else:
            findings.append(ok("reading", node, said))
    return findings
