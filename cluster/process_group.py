"""What Ray Train sets up for the ranks: PyTorch's process group, and nothing on a GPU.

Ray's own `TorchConfig` would have its controller load PyTorch, which takes seconds of every start
and does nothing there. Here only the workers load it, and then run Ray's own functions.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError
from ray.train._internal.utils import get_address_and_port
from ray.train.backend import Backend, BackendConfig
from ray.train.constants import (
    DEFAULT_TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S,
    TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S,
)
from ray.train.v2._internal.util import TrainingFramework

_log = logging.getLogger(__name__)


@dataclass
class ProcessGroup(BackendConfig):
    """A process group of all ranks, gloo's or with GPUs NCCL's.

    The choice of the GPU is left to `train_rank`: to call `torch.cuda.set_device` ahead of the
    train function, as Ray does, puts the process on its GPU before its readers are forked.
    """

    timeout_s: int
    """Of collectives."""

    @property
    def backend_cls(self) -> type[Backend]:
        """Who sets it up."""
        return _Ranks

    @property
    def train_func_context(self) -> Callable[[], AbstractContextManager[None]]:
        """What Ray Train opens around the train function: nothing."""
        return nullcontext

    def to_dict(self) -> dict[str, Any]:
        """For Ray's own records."""
        return {"timeout_s": self.timeout_s}

    @property
    def framework(self) -> TrainingFramework:
        """For Ray's own records."""
        return TrainingFramework.TORCH


class _Ranks(Backend):
    """Runs in Ray Train's controller."""

    share_cuda_visible_devices = True

    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        """Let the workers find each other."""
        assert isinstance(backend_config, ProcessGroup)
        on_gpus = worker_group.get_resources_per_worker().get("GPU", 0) > 0
        address, port = worker_group.execute_single(0, get_address_and_port)
        # By all first: what loads PyTorch here is not to count as a wait for the others.
        worker_group.execute(_prepare, address=address, port=port)
        ranks = len(worker_group)
        joining = [
            worker_group.execute_single_async(
                rank,
                _join,
                backend="nccl" if on_gpus else "gloo",
                place=rank,
                ranks=ranks,
                timeout_s=backend_config.timeout_s,
            )
            for rank in range(ranks)
        ]
        ray.get(joining)

    def on_shutdown(self, worker_group: Any, backend_config: BackendConfig) -> None:
        """Let them part again; not for ever, since one of them may be gone."""
        parting = worker_group.execute_async(_part, ranks=len(worker_group))
        patience = DEFAULT_TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S
        patience = int(os.environ.get(TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S, patience))
        try:
            ray.get(parting, timeout=patience)
        except GetTimeoutError:
            _log.warning("not all ranks have left the process group within %d s", patience)


def _prepare(address: str, port: int) -> None:
    """On a worker: what PyTorch and DeepSpeed look for."""
    from ray.train.torch.config import _set_torch_distributed_env_vars

    os.environ |= {"MASTER_ADDR": address, "MASTER_PORT": str(port)}
    _set_torch_distributed_env_vars()  # type: ignore[no-untyped-call]


def _join(backend: str, place: int, ranks: int, timeout_s: int) -> None:
    """On a worker: meet the others."""
    from ray.train.torch.config import _setup_torch_process_group

    _setup_torch_process_group(backend, place, ranks, "env://", timeout_s)


def _part(ranks: int) -> None:
    """On a worker: leave the others."""
    from ray.train.torch.config import _shutdown_torch

    _shutdown_torch(destroy_process_group=ranks > 1)  # type: ignore[no-untyped-call]
