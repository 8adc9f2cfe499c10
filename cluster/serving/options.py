"""What `serve` may be asked for, beside the run."""

from __future__ import annotations

from dataclasses import dataclass

from advent_dist.config.require import require
from advent_dist.data.pixel_limit import MAX_PIXELS

_MOST_MEGAPIXELS = MAX_PIXELS // 10**6
_BATCH_ON_GPU = 8


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Where it listens, who answers, and what is refused."""

    host: str = "127.0.0.1"
    """Address to listen at; the default is reached from this machine alone. Nobody is asked who
    they are: give another one behind a proxy that does."""

    port: int = 8000
    """Port to listen at; 0 takes a free one."""

    workers: int = 1
    """Processes of one CPU each that answer, all on this machine."""

    gpus_per_worker: int = 0
    """GPUs of each worker; without one it computes on its CPU."""

    batch: int | None = None
    """Images at most that go through the network together; none takes 1 on CPUs, whose answers are
    then those of `predict` to the byte, and 8 on GPUs."""

    max_requests: int = 16
    """Images that are received, wait or are worked on at a time; more are refused."""

    max_megapixels: float = 50
    """Of an image; a larger one is refused before it is decoded."""

    max_megabytes: float = 32
    """Of an image's file (1e6 bytes each); a larger one is refused before it is received."""

    def check(self) -> None:
        """Refuse what can't be.

        Raises:
            ConfigError: with the flag's name.
        """
        require(0 <= self.port < 2**16, "--port", self.port, "give 0 to 65535")
        require(self.workers > 0, "--workers", self.workers, "give 1 or more")
        require(
            self.gpus_per_worker >= 0, "--gpus-per-worker", self.gpus_per_worker, "give 0 or more"
        )
        require(self.batch is None or self.batch > 0, "--batch", self.batch, "give 1 or more")
        require(self.max_requests > 0, "--max-requests", self.max_requests, "give 1 or more")
        fix = f"give more than 0, and at most {_MOST_MEGAPIXELS}"
        fits = 0 < self.max_megapixels <= _MOST_MEGAPIXELS
        require(fits, "--max-megapixels", self.max_megapixels, fix)
        fix = "give more than 0, and at most 1000"
        require(0 < self.max_megabytes <= 1000, "--max-megabytes", self.max_megabytes, fix)

    @property
    def most_pixels(self) -> int:
        """Of an image."""
        return int(self.max_megapixels * 1e6)

    @property
    def most_bytes(self) -> int:
        """Of an image's file."""
        return int(self.max_megabytes * 1e6)

    @property
    def images_together(self) -> int:
        """In one pass of a network."""
        return self.batch or (_BATCH_ON_GPU if self.gpus_per_worker else 1)
