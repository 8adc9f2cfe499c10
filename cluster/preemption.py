"""Nodes that are about to go, as their training hears of it."""

from __future__ import annotations

import logging

import ray.train

_log = logging.getLogger(__name__)


class PreemptionNotice:
    """Whether a node of this run has been called back since the last call. Collective.

    Ray Train goes on until the node's deadline and then starts again from the latest checkpoint, on
    what is left or comes instead. So a checkpoint is due as soon as one hears of it.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self) -> bool:
        """Ask; the same answer on all ranks."""
        info = ray.train.get_preemption_info()
        nodes = set(info.preempted_node_ids) if info is not None else set()
        new = nodes - self._known
        self._known |= nodes
        if new:
            _log.warning("%d nodes are about to go; saving a checkpoint now", len(new))
        return bool(new)
