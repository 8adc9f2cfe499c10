"""The node of the driver, where the actors belong that a run can't do without."""

from __future__ import annotations

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


def beside_the_driver() -> NodeAffinitySchedulingStrategy:
    """Places an actor on this process's node: Ray takes any other one, whose death would end it."""
    node = ray.get_runtime_context().get_node_id()
    return NodeAffinitySchedulingStrategy(node_id=node, soft=False)
