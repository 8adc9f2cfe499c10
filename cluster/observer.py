"""Who watches a training from outside of its ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Observer(Protocol):
    """Who watches a run on its rank 0: a progress bar, which never fails it, or its sweep."""

    @property
    def values(self) -> Mapping[str, Any]:
        """What distinguishes the run from its siblings: dotted config path -> value."""

    def begins(self, rows: list[dict[str, Any]]) -> None:
        """The run starts, or goes on after these rows."""

    def steps(self) -> None:
        """The first micro-batch of this session has been trained on."""

    def sees(self, row: dict[str, Any]) -> None:
        """A row is there; may add to it before it is written."""

    def is_to_end(self) -> bool:
        """Whether a checkpoint is due now, after which the run is to end by `stops`."""

    def stops(self, row: dict[str, Any]) -> bool:
        """Whether the run is to end after `row`, which is written.

        Its checkpoint is being stored; the run does not end before it is whole.
        """
