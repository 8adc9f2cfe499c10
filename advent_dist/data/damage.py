"""What becomes of damaged samples: the run fails, or their neighbours take their places."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from advent_dist.data.traffic import SKIPPED, Tally
from advent_dist.errors import DamageError

_log = logging.getLogger(__name__)


@dataclass
class DamageLimit:
    """Counts the damaged samples that one reader has met.

    Raising here bounds what a single reader may skip; all readers together are bounded where their
    counts meet (see `intake`).
    """

    name: str
    """The config field that chooses between skipping and failing."""

    skip: bool
    """Whether damage is skipped at all."""

    num_samples: int
    """Samples of the folder."""

    max_fraction: float
    """Share of them that may be skipped."""

    tally: Tally
    """Counts each time that a sample is skipped."""

    _seen: set[int] = field(default_factory=set)

    def skipped(self, number: int, error: DamageError) -> None:
        """Note that a sample is left out.

        Raises:
            DamageError: damage is not to be skipped, or there is too much of it.
        """
        if not self.skip:
            raise DamageError(f"{error} ({self.name} = 'fail')") from error
        self.tally.add(SKIPPED)
        if number not in self._seen:
            self._seen.add(number)
            _log.warning("skipped sample %d: %s", number, error)
        if len(self._seen) > self.max_fraction * self.num_samples:
            raise DamageError(
                f"{error}; with {len(self._seen)} damaged of {self.num_samples} samples, this is "
                f"more than data.max_damaged_fraction = {self.max_fraction:g}"
            ) from error
