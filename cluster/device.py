"""Which device a run trains on, and why: what `cluster.gpus_per_worker` = auto comes to."""

from __future__ import annotations

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.training.global_batch import allowed_ranks
from cluster.capacity import Capacity, capacity, fit, per_worker, training_nodes

_FIELD = "cluster.gpus_per_worker"


def on_cluster(experiment: Experiment) -> tuple[Experiment, str]:
    """See `on_device`, for the connected cluster."""
    return on_device(experiment, capacity(training_nodes(experiment.cluster)))


def on_device(experiment: Experiment, there: Capacity) -> tuple[Experiment, str]:
    """What the workers of a run get to see: a number in place of `auto`.

    Args:
        experiment: The whole config.
        there: The nodes that may train.

    Returns:
        The config with the number, and a line that says the device and the reason.
    """
    if experiment.cluster.gpus_per_worker == "auto":
        return _chosen(experiment, there)
    said = f"as {_FIELD} = {experiment.cluster.gpus_per_worker:g} says"
    if experiment.cluster.gpus_per_worker:
        return experiment, f"{_on_gpus(experiment)}, {said}"
    unused = _gpus(there)
    rest = f"; the cluster has GPUs ({unused:g})" if unused else ""
    return experiment, f"trains on CPUs, {said}{rest}"


def _chosen(experiment: Experiment, there: Capacity) -> tuple[Experiment, str]:
    """One GPU a worker, if so many workers as the run needs can have one."""
    asked = f"({_FIELD} = auto)"
    on_cpus = override(experiment, {_FIELD: 0})
    if not _gpus(there):
        return on_cpus, f"trains on CPUs: the cluster has no GPU {asked}"
    import torch  # seconds, for which a number has no use

    if not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        return on_cpus, f"trains on CPUs: this PyTorch is built without CUDA {asked}"
    on_gpus = override(experiment, {_FIELD: 1})
    room = max(fit(nodes, on_gpus.cluster) for nodes in (there.nodes, there.most))
    fewest = allowed_ranks(experiment)[0]
    if room < fewest:
        each = " and ".join(
            f"{amount:g} {one}" for one, amount in per_worker(on_gpus.cluster).items()
        )
        few = f"the cluster has room for {room} workers of {each} each, not for {fewest}"
        return on_cpus, f"trains on CPUs: {few} {asked}"
    return on_gpus, f"{_on_gpus(on_gpus)}: the cluster has {_gpus(there):g} {asked}"


def _on_gpus(experiment: Experiment) -> str:
    cluster = experiment.cluster
    return f"trains on GPUs, {cluster.gpus_per_worker:g} for each of {cluster.workers} workers"


def _gpus(there: Capacity) -> float:
    """GPUs of all nodes together, at most."""
    return max(sum(node.get("GPU", 0) for node in nodes) for nodes in (there.nodes, there.most))
