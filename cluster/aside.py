"""What only watches a run never ends it: curves, gauges, progress bars, tables."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)


class Aside:
    """Runs what a run can do without. The first failure of each kind is logged, none is raised.

    Not for the record of a run, its metrics, summary and checkpoints: that is what it is for.
    """

    def __init__(self) -> None:
        self._failed: set[str] = set()

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Go on after whatever the block raises.

        Args:
            what: Names it in the log.
        """
        try:
            yield
        # Whatever it is: each of these writes to a system of its own.
        except Exception as error:
            if what not in self._failed:
                self._failed.add(what)
                kind = type(error).__name__
                _log.warning("the run goes on without %s: %s: %s", what, kind, error)
