"""Room: temporary files, the shard cache, and shared memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

from advent_dist.config import Experiment
from cluster.doctor.finding import HERE, Finding, failure, ok, warning
from cluster.temporary import why_too_long, why_unfit

_GB = 1e9
_RAY_STOPS_AT = 0.95
"""Used share of its disk from which on Ray creates no more objects (`local_fs_capacity_threshold`
in Ray's documentation)."""

_TEMPORARY_GB = 5.0
"""Room for two checkpoints of the largest network here on their way to storage, and Ray's logs."""

_SHARED_GB = 1.0
"""A container gets 0.07 unless told otherwise; Ray's object store and PyTorch's loader processes
live there."""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """The file system that a folder lies on."""

    folder: str
    """The folder."""

    free: int
    """Bytes that may still be written."""

    size: int
    """Bytes in all."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """The room on a machine."""

    temporary: Disk
    """Where Ray and checkpoints on their way live."""

    shared: Disk | None
    """Shared memory; None where there is no such thing."""

    cache: Disk | None = None
    """Where `data.cache_dir` would lie; None without one."""


def find_space(cache_dir: str | None) -> Space:
    """Look at this machine's disks.

    Args:
        cache_dir: The experiment's `data.cache_dir`; it need not exist yet.
    """
    return Space(
        temporary=_disk(tempfile.gettempdir()),
        shared=_disk("/dev/shm") if os.path.isdir("/dev/shm") else None,
        cache=_disk(cache_dir) if cache_dir else None,
    )


def _disk(folder: str) -> Disk:
    there = os.path.abspath(os.path.expanduser(folder))
    while not os.path.exists(there):
        there = os.path.dirname(there)
    usage = shutil.disk_usage(there)
    return Disk(folder=folder, free=usage.free, size=usage.total)


def judge_space(nodes: Mapping[str, Space], experiment: Experiment | None) -> list[Finding]:
    """Whether there is room for what a run writes beside its storage.

    Args:
        nodes: Name of a node -> its room.
        experiment: The run to be; None judges the machines alone.
    """
    findings = []
    for node, space in nodes.items():
        findings.append(_judge_temporary(node, space.temporary))
        if space.shared:
            findings.append(_judge_shared(node, space.shared))
        if space.cache and experiment:
            findings.append(_judge_cache(node, space.cache, experiment.data.cache_gb))
    return findings


def _judge_temporary(node: str, disk: Disk) -> Finding:
    if node == HERE and (unfit := why_unfit()):
        return failure("disk", node, unfit.reason, unfit.fix)
    # On the nodes of a cluster Ray runs already, somewhere.
    if reason := why_too_long(disk.folder, for_ray=False):
        return failure("disk", node, reason, "set TMPDIR to a folder with a shorter path there")
    used = 1 - disk.free / disk.size
    said = f"{disk.folder}: {disk.free / _GB:.1f} GB free, {used:.0%} used"
    if used >= _RAY_STOPS_AT:
        fix = f"Ray stops at {_RAY_STOPS_AT:.0%}: free some, or start it with another --temp-dir"
        return failure("disk", node, said, fix)
    if disk.free < _TEMPORARY_GB * _GB:
        fix = f"checkpoints pass through here: have {_TEMPORARY_GB:.0f} GB free, or set TMPDIR"
        return warning("disk", node, said, fix)
    return ok("disk", node, said)


def _judge_shared(node: str, disk: Disk) -> Finding:
    said = f"{disk.folder}: {disk.free / _GB:.1f} GB free"
    if disk.free < _SHARED_GB * _GB:
        fix = "docker run --shm-size=8g, or an emptyDir with medium: Memory at /dev/shm"
        return failure("shared memory", node, said, fix)
    return ok("shared memory", node, said)


def _judge_cache(node: str, disk: Disk, limit_gb: float) -> Finding:
    said = f"{disk.folder}: {disk.free / _GB:.1f} GB free, data.cache_gb = {limit_gb:g}"
    if disk.size < limit_gb * _GB:
        fix = f"the disk has {disk.size / _GB:.0f} GB: lower data.cache_gb, or move data.cache_dir"
        return failure("cache", node, said, fix)
    if disk.free < limit_gb * _GB:
        return warning("cache", node, said, "free some room unless the cache is filled already")
    return ok("cache", node, said)
