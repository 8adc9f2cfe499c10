"""Instances that are hosts of the test bed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from cluster.testbed.hosts import Bed
from tests.cluster.pretended_aws import instances

GATEWAY = "172.31.0.1"
"""This side of the bridge. The default subnet of a zone gives instances 172.31.0.4 and up: host 4
is that address, for beds whose `first` is this one."""

_EVERY_S = 0.5


@contextmanager
def instances_are_hosts(bed: Bed) -> Iterator[None]:
    """Switch on a host for each instance that is launched, and off when that is terminated."""
    end = Event()

    def follow() -> None:
        while not end.wait(_EVERY_S):
            there = {one["PrivateIpAddress"] for one in instances("pending", "running")}
            for address in bed.hosts.keys() - there:
                bed.terminate(address)
            for address in there - bed.hosts.keys():
                assert bed.switch_on(int(address.rpartition(".")[2])) == address

    thread = Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
