"""Hosts on a bridge, each with an address, sshd and a file system of its own. Needs `enter.sh`."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from advent_dist.errors import ConfigError

LAUNCHER = "10.77.0.1"
"""Address of this side of the bridge, where the launcher and the S3 server are."""

FIRST = "10.77.0.11"
"""Address of host 1; the next ones follow."""

_BRIDGE = "advdist"
_STARTS_WITHIN_S = 30.0
_HERE = Path(__file__).parent


@dataclass(kw_only=True)
class Bed:
    """Hosts that are on."""

    folder: Path
    """For keys and the shared folder; outside of the hosts."""

    launcher: str = LAUNCHER
    """Address of this side of the bridge."""

    first: str = FIRST
    """Address of host 1."""

    hosts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """Address -> the process whose end is the host's."""

    @property
    def key(self) -> Path:
        """The private key that opens every host to root."""
        return self.folder / "key"

    @property
    def shared(self) -> Path:
        """The folder that every host sees as /shared."""
        return self.folder / "shared"

    def switch_on(self, number: int) -> str:
        """Start a host, with the disk that it had before, or an empty one; its address."""
        address = self.address(number)
        # The interpreter, its packages and the code are the machine's own, read-only.
        read_only = {sys.prefix, sys.base_prefix, str(_HERE.parents[1])}
        inner: list[str | Path] = [
            _HERE / "host.sh",
            f"host{number}",
            address,
            self._disk(address),
            self.folder / "hosts",
        ]
        host = subprocess.Popen(
            [
                *("unshare", "--net", "--mount", "--propagation", "private", "--uts", "--ipc"),
                *("--pid", "--fork", "--kill-child"),
                *inner,
                *(f"{self.key}.pub", str(self.shared), *sorted(read_only)),
            ],
            stdin=subprocess.DEVNULL,
        )
        self.hosts[address] = host
        ours = os.readlink("/proc/self/ns/net")
        _wait(lambda: os.readlink(f"/proc/{host.pid}/ns/net") != ours, f"host{number}")
        card = ["eth0", "address", _mac(number), "netns", str(host.pid)]
        _ip("link", "add", f"host{number}", "type", "veth", "peer", *card)
        _ip("link", "set", f"host{number}", "master", _BRIDGE, "up")
        _wait(lambda: _listens(address), f"sshd of host{number}")
        return address

    def ssh(self, address: str, command: str) -> list[str]:
        """The words of a command that runs another one on a host."""
        anyone = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        # A host that has lost its power says nothing; without this it would be waited for.
        ends = ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"]
        return ["ssh", "-q", "-i", str(self.key), *anyone, *ends, f"root@{address}", command]

    def run(self, address: str, command: str) -> str:
        """What a command prints on a host, over ssh."""
        ssh = self.ssh(address, command)
        return subprocess.run(ssh, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout

    def power_off(self, address: str) -> None:
        """End a host with all that it runs, at once; its disk stays."""
        host = self.hosts.pop(address)
        host.kill()
        host.wait()
        # The kernel takes it away as well, but later: it would be in the way of the next one.
        card = f"host{self.number(address)}"
        subprocess.run(["ip", "link", "delete", card], stderr=subprocess.DEVNULL)

    def terminate(self, address: str) -> None:
        """End a host, and its disk with it."""
        self.power_off(address)
        shutil.rmtree(self._disk(address))

    def unplug(self, number: int, *, again: bool = False) -> None:
        """Take a host's cable out, or with `again` put it back."""
        _ip("link", "set", f"host{number}", "up" if again else "down")

    @contextmanager
    def cut_off(self, address: str) -> Iterator[None]:
        """Take a host's way to the launcher for a while; the other hosts still reach it."""
        inside = ["nsenter", f"--net=/proc/{self.hosts[address].pid}/ns/net"]
        route = ["unreachable", self.launcher]
        subprocess.run([*inside, "ip", "route", "add", *route], check=True)
        try:
            yield
        finally:
            subprocess.run([*inside, "ip", "route", "delete", *route], check=True)

    def address(self, number: int) -> str:
        """The address of a host, whether it is on or not."""
        return str(ipaddress.ip_address(self.first) + number - 1)

    def number(self, address: str) -> int:
        """The number of the host at an address."""
        return int(ipaddress.ip_address(address)) - int(ipaddress.ip_address(self.first)) + 1

    def _disk(self, address: str) -> Path:
        return self.folder / "disks" / address


@contextmanager
def switched_on(
    folder: Path, count: int, *, launcher: str = LAUNCHER, first: str = FIRST
) -> Iterator[Bed]:
    """Switch on hosts 1 to `count`, and off at the end.

    Args:
        folder: An empty folder.
        count: How many.
        launcher: Address of this side of the bridge.
        first: Address of host 1.

    Raises:
        ConfigError: not called through `enter.sh`.
    """
    if not os.environ.get("ADVENT_DIST_TESTBED"):
        raise ConfigError("the test bed changes the network: start it by cluster/testbed/enter.sh")
    _ip("link", "set", "lo", "up")
    # Without a MAC of its own it takes the lowest of its ports, which may be another with each host
    # that comes or goes: nobody reaches the launcher then until caches have run out.
    _ip("link", "add", _BRIDGE, "address", _mac(0), "type", "bridge")
    _ip("address", "add", f"{launcher}/24", "dev", _BRIDGE)
    _ip("link", "set", _BRIDGE, "up")
    bed = Bed(folder=folder, launcher=launcher, first=first)
    bed.shared.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", bed.key], check=True)
    names = [f"{bed.address(number)} host{number}" for number in range(1, 30)]
    (folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names, ""]))
    try:
        for number in range(1, count + 1):
            bed.switch_on(number)
        yield bed
    finally:
        for address in list(bed.hosts):
            bed.power_off(address)
        _ip("link", "delete", _BRIDGE)


def _mac(number: int) -> str:
    """The address of a network card, the same whenever its host is switched on; 0 = the bridge."""
    return f"02:00:00:00:00:{number:02x}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _listens(address: str) -> bool:
    try:
        socket.create_connection((address, 22), timeout=1).close()
    except OSError:
        return False
    return True


def _wait(until: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while not until():
        if time.monotonic() > deadline:
            raise ConfigError(f"{what} is not up after {_STARTS_WITHIN_S:.0f} s")
        time.sleep(0.1)
