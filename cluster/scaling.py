"""How many workers a run has, and where: fixed, or as many as the cluster has room for.

Ray Train's elastic runs take any number of workers in a range. Here only those numbers count by
which the global batch can be divided, so that a run with fewer workers takes the same steps.
"""

from __future__ import annotations

from typing import Any

import ray.train
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.scaling_policy import (
    ElasticScalingPolicy,
    FixedScalingPolicy,
    NoopDecision,
    ResizeDecision,
    ScalingDecision,
)
from ray.train.v2._internal.execution.worker_group import (
    WorkerGroupPollStatus,
    WorkerGroupState,
)
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from advent_dist.config import Experiment
from advent_dist.training.global_batch import allowed_ranks
from cluster.capacity import fit, label_selector, leaving_nodes, per_worker, staying_nodes
from cluster.connection import ends_with_us
from cluster.ending import Ending
from cluster.failures import MistakesAreFinal
from cluster.growth import Wish


def scaling_config(experiment: Experiment, left_out: str | None) -> ray.train.ScalingConfig:
    """Number, resources and placement of a run's workers, for Ray Train.

    Args:
        experiment: The whole config.
        left_out: Id of a node that trains nothing.
    """
    cluster = experiment.cluster
    ranks = allowed_ranks(experiment)
    # The ignored errors, here and below: mypy takes Ray Train's first API for its second.
    return ray.train.ScalingConfig(  # type: ignore[call-arg]
        num_workers=(ranks[0], ranks[-1]) if cluster.min_workers else cluster.workers,  # type: ignore[arg-type]
        elastic_resize_monitor_interval_s=cluster.grow_every_s,
        use_gpu="GPU" in per_worker(cluster),
        resources_per_worker=per_worker(cluster),
        placement_strategy=cluster.placement,
        label_selector=label_selector(left_out),
    )


class WholeBatches(ElasticScalingPolicy):
    """Ray Train's elastic policy over the numbers of workers that divide the global batch."""

    def __init__(self, scaling: ray.train.ScalingConfig, experiment: Experiment) -> None:
        super().__init__(scaling)  # type: ignore[arg-type]
        self._cluster = experiment.cluster
        self._ranks = allowed_ranks(experiment)
        self._wish: tuple[float, Wish] | None = None
        """When the group of workers was started that has been asked for a checkpoint."""

    def _count_possible_workers(self, reserved_resources: dict[str, dict[str, float]]) -> int:
        # Ray looks at the nodes every 20 s: workers on one that is gone since then, or about to go,
        # would be waited for in vain for a minute.
        staying = staying_nodes()
        nodes = [node for name, node in reserved_resources.items() if name in staying]
        there = fit(nodes, self._cluster)
        return max((ranks for ranks in self._ranks if ranks <= there), default=0)

    def make_decision_for_running_worker_group(
        self, worker_group_state: WorkerGroupState, worker_group_status: WorkerGroupPollStatus
    ) -> ScalingDecision:
        """Whether a run that has workers starts again with another number of them.

        With more of them it does so from a checkpoint that it saves for that.
        """
        decision = super().make_decision_for_running_worker_group(
            worker_group_state, worker_group_status
        )
        group, has = worker_group_state.start_time, worker_group_state.num_workers
        if self._wish is not None and self._wish[0] == group:
            return self._grown(has) if self._wish[1].is_fulfilled() else NoopDecision()
        if not isinstance(decision, ResizeDecision):
            return decision
        if decision.num_workers > has:
            self._wish = group, Wish(worker_group_state)
            return NoopDecision()
        # Not for nodes that were called back: the run is about to save a checkpoint for them, and
        # Ray Train starts it again from there when they go.
        return NoopDecision() if leaving_nodes() else decision

    def _grown(self, has: int) -> ScalingDecision:
        """What comes after the checkpoint, if there is room for more than it has still."""
        self._wish = None
        possible = self._count_possible_workers(self._get_reserved_resources() or {})
        return self._get_resize_decision(possible) if possible > has else NoopDecision()


class NothingToAskFor(FixedScalingPolicy):
    """A fixed number of workers on a Ray whose nodes neither come nor go.

    Ray Train's own tells an actor what it needs, which an autoscaler would ask.
    """

    def _send_resource_request(self) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass

    def _cancel_resource_request(self) -> None:
        pass


class ElasticTrainer(DataParallelTrainer):
    """A trainer whose run goes on with the workers that there is room for.

    After a failure it starts again, unless that is a mistake which no restart mends.
    """

    def __init__(
        self,
        *arguments: Any,
        experiment: Experiment,
        left_out: str | None,
        ending: Ending | None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, scaling_config=scaling_config(experiment, left_out), **options)
        self._experiment = experiment
        self._ending = ending

    def _create_default_callbacks(self) -> list[Any]:
        # Each starts a process: for data sets of Ray Data, of which runs here have none, and for
        # what a killed run leaves reserved, which a Ray that ends with it does not outlive.
        useless: tuple[type, ...] = (DatasetsCallback,)
        if ends_with_us():
            useless += (PlacementGroupCleanerCallback,)
        callbacks = super()._create_default_callbacks()
        return [one for one in callbacks if not isinstance(one, useless)]

    def _initialize_and_run_controller(self, **options: Any) -> Any:
        # Ray has no public way to give policies; tests/unit/cluster/test_scaling.py holds these.
        options["failure_policy"] = MistakesAreFinal(self.run_config.failure_config)  # type: ignore[arg-type]
        if self._experiment.cluster.min_workers:
            options["scaling_policy"] = WholeBatches(self.scaling_config, self._experiment)
        elif ends_with_us():
            options["scaling_policy"] = NothingToAskFor(self.scaling_config)  # type: ignore[arg-type]
        return super()._initialize_and_run_controller(**options)

    def _register_sigint_handler(self, controller: Any) -> None:
        # In place of Ray's own, which ends the workers without a checkpoint.
        if self._ending is not None:
            self._ending.controller = controller
