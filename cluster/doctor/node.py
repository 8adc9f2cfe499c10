"""What a node tells of itself."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.doctor.devices import Devices, find_devices
from cluster.doctor.space import Space, find_space
from cluster.doctor.versions import installed_versions


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine as it finds itself."""

    versions: dict[str, str]
    """See `versions.installed_versions`."""

    devices: Devices
    """See `devices.find_devices`."""

    space: Space
    """See `space.find_space`."""


def look_around(cache_dir: str | None) -> Node:
    """Examine this machine.

    Args:
        cache_dir: The experiment's `data.cache_dir`, if there is an experiment.
    """
    return Node(versions=installed_versions(), devices=find_devices(), space=find_space(cache_dir))
