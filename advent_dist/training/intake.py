"""The numbers of reading between two reports, and the limit of damage over all ranks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from advent_dist.data.traffic import (
    BYTES,
    CACHE_ERRORS,
    CACHE_HITS,
    CACHE_MISSES,
    COUNTS,
    RETRIES,
    SKIPPED,
    Traffic,
)
from advent_dist.errors import DamageError
from advent_dist.parallel.world import World


@dataclass(kw_only=True)
class Intake:
    """Sums up what the loaders of all ranks count."""

    world: World

    take_traffic: Callable[[], Mapping[str, Traffic]]
    """This rank's counts of each domain since the last call."""

    num_samples: Mapping[str, int]
    """Samples of each domain's folder."""

    max_damaged_fraction: float
    """Share of a domain's samples that may be skipped."""

    _since: float = field(default_factory=time.perf_counter)
    _total: Traffic = field(default_factory=Traffic)
    _skipped: Counter[str] = field(default_factory=Counter)

    def read(self, samples: int) -> dict[str, float]:
        """The metrics since the last call. Collective.

        Args:
            samples: Samples of each domain that this rank has read since it started.

        Returns:
            `read_mb_per_s`, 10^6 bytes a second from storage over all ranks; and since the start
            or resumption `read_retries`, `skipped_samples`; with a cache `cache_hit_fraction`,
            0..1, of the blocks since the last call, and `cache_errors` since the start.

        Raises:
            DamageError: on every rank, if all of them together skipped too many of a domain's
                samples.
        """
        taken = self.take_traffic()
        counts = torch.tensor(
            [[*(taken[domain][name] for name in COUNTS), samples] for domain in self.num_samples],
            dtype=torch.float64,
            device=self.world.device,
        )
        fresh = Traffic()
        for domain, row in zip(self.num_samples, self.world.sum(counts).tolist(), strict=True):
            *sums, samples_read = map(int, row)
            of_domain = Traffic(dict(zip(COUNTS, sums, strict=True)))
            self._skipped[domain] += of_domain[SKIPPED]
            self._require_little_damage(domain, samples_read)
            fresh.update(of_domain)
        self._total.update(fresh)
        now = time.perf_counter()
        seconds, self._since = max(now - self._since, 1e-9), now
        metrics = {
            "read_mb_per_s": fresh[BYTES] / 1e6 / seconds,
            "read_retries": float(self._total[RETRIES]),
            "skipped_samples": float(self._total[SKIPPED]),
        }
        blocks = fresh[CACHE_HITS] + fresh[CACHE_MISSES]
        if blocks:
            metrics["cache_hit_fraction"] = fresh[CACHE_HITS] / blocks
            metrics["cache_errors"] = float(self._total[CACHE_ERRORS])
        return metrics

    def _require_little_damage(self, domain: str, samples_read: int) -> None:
        # Later epochs meet the same damage again.
        allowed = self.max_damaged_fraction * max(samples_read, self.num_samples[domain])
        if self._skipped[domain] > allowed:
            raise DamageError(
                f"data.{domain}: {self._skipped[domain]} samples were skipped because they are "
                f"damaged, more than data.max_damaged_fraction = {self.max_damaged_fraction:g} "
                "allows; the log names them: copy or build their shards again, or raise it"
            )
