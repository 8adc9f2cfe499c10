"""The choices of a build."""

from __future__ import annotations

from dataclasses import dataclass

from advent_dist.data.sample import ImageFormat
from advent_dist.errors import DataError


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How shards are written."""

    resize: tuple[int, int] | None = None
    """Width, height in pixels (images bicubic, labels nearest); none keeps each sample's size."""

    format: ImageFormat = "jpg"
    """File format of the images; labels are always PNG."""

    quality: int = 95
    """Quality of JPEG and WebP, 0..100."""

    unlabelled: bool = False
    """Neither read nor write labels: for the training images of a target."""

    shuffle: bool = True
    """Mix the order of the samples, so that a block holds samples from all over the data set."""

    shuffle_seed: int = 0
    """Seed of that order."""

    shard_mb: float = 64.0
    """Size in 10^6 bytes at which a shard is full; each is held in memory while it is written."""

    processes: int | None = None
    """Processes that read and encode; none decides by the cores and the number of samples."""

    overwrite: bool = False
    """Replace the shards that are there."""

    def __post_init__(self) -> None:
        for name, holds, fix in (
            (
                "resize",
                self.resize is None or min(self.resize) > 0,
                "width and height must be positive",
            ),
            ("quality", 0 <= self.quality <= 100, "must be 0..100"),
            ("shard_mb", self.shard_mb > 0, "must be positive"),
            ("processes", self.processes is None or self.processes > 0, "must be at least 1"),
        ):
            if not holds:
                raise DataError(f"shards build: {name} = {getattr(self, name)}: {fix}")


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where shards are encoded."""

    ray: bool = False
    """Encode on a Ray cluster, one CPU a task. All nodes must see SRC at the same absolute path (a
    shared file system) and have the same packages as this machine, which alone writes to DST."""

    address: str | None = None
    """Address of the Ray cluster, `auto` for the one that this machine is part of; none takes
    RAY_ADDRESS, and without it starts Ray on this machine until the build is done."""

    def __post_init__(self) -> None:
        if self.address and not self.ray:
            raise DataError(f"shards build: --address {self.address} is of use with --ray only")
