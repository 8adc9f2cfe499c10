"""The workers of a run, and what they are on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.require import require

_VARIABLES = (
    *("NCCL_", "TORCH_NCCL_", "GLOO_", "TP_", "FI_", "RDMAV_", "IBV_", "UCX_"),
    *("OMP_", "MKL_", "CUBLAS_", "CUDA_DEVICE_"),
)
"""What the names of `cluster.environment` begin with."""


def _require_variable(variable: str) -> None:
    name, equals, value = variable.partition("=")
    # Without its value, which may be a secret that got here by mistake.
    require(bool(name and equals and value), "cluster.environment", name, "give NAME=VALUE")
    require(
        name.startswith(_VARIABLES),
        "cluster.environment",
        name,
        f"only names that begin with {', '.join(_VARIABLES)}; everything else, credentials above "
        "all, belongs into the environment of the nodes",
    )


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """The Ray Train workers of a run."""

    workers: int = 1
    """Ranks, each a process of its own."""

    min_workers: int | None = None
    """Ranks that a run goes on with at least while the cluster has no room for `workers`; none
    waits for all of them."""

    grow_every_s: float = 600.0
    """Seconds after which a run with fewer than `workers` looks for room for more (min_workers). It
    then saves a checkpoint and starts again from there."""

    cpus_per_worker: float = 1.0
    """CPU cores that Ray reserves for each worker."""

    gpus_per_worker: float | Literal["auto"] = 0.0
    """GPUs that Ray reserves for each worker; 0 trains on the CPU, auto on 1 GPU where the cluster
    has as many, else on the CPU. config.json keeps the word, so that a run that goes on elsewhere
    takes what is there."""

    placement: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] = "PACK"
    """Ray's strategy for placing the workers on the nodes."""

    head_trains: bool = False
    """Place workers on Ray's head node too. A cluster of one node trains there in any case."""

    environment: tuple[str, ...] = ()
    """Variables of the workers, NAME=VALUE, for the networks and libraries below PyTorch, such as
    NCCL_SOCKET_IFNAME=eth0 or GLOO_SOCKET_IFNAME=eth0."""

    max_failures: int = 0
    """How often a run may restart from its latest checkpoint after a worker failed or a node died
    without notice; -1 = always. Notices of preemption don't count."""

    address: str | None = None
    """Address of a running Ray cluster, such as `auto`; none starts Ray on this machine unless
    RAY_ADDRESS is set."""

    def __post_init__(self) -> None:
        require(self.workers >= 1, "cluster.workers", self.workers, "must be at least 1")
        require(
            self.cpus_per_worker > 0,
            "cluster.cpus_per_worker",
            self.cpus_per_worker,
            "must be positive",
        )
        gpus = self.gpus_per_worker
        require(
            isinstance(gpus, str) or (gpus >= 0 and float(gpus).is_integer()),
            "cluster.gpus_per_worker",
            gpus,
            "must be auto, 0 or a whole number: NCCL refuses two ranks on one GPU",
        )
        require(self.max_failures >= -1, "cluster.max_failures", self.max_failures, "-1, 0 or more")
        fewest = self.min_workers
        fits = fewest is None or 1 <= fewest <= self.workers
        require(fits, "cluster.min_workers", fewest, f"1 to cluster.workers = {self.workers}")
        pointless = fewest is not None and self.max_failures == 0
        require(
            not pointless,
            "cluster.max_failures",
            0,
            "-1 or more than 0 with min_workers: each node that is lost counts as a failure",
        )
        strict = fewest is not None and self.placement.startswith("STRICT_")
        require(not strict, "cluster.placement", self.placement, "PACK or SPREAD with min_workers")
        require(
            self.grow_every_s > 0, "cluster.grow_every_s", self.grow_every_s, "must be positive"
        )
        for variable in self.environment:
            _require_variable(variable)
