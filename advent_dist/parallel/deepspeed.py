"""DeepSpeed: ZeRO-sharded execution. The only file that imports it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from advent_dist.config import EngineConfig
from advent_dist.errors import CheckpointError
from advent_dist.parallel.engine import autocast, constant
from advent_dist.parallel.world import World

if not torch.cuda.is_available():
    os.environ.setdefault("DS_ACCELERATOR", "cpu")  # read at import

import deepspeed

_TAG = "engine"

logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
# A shared-memory collective for CPU ranks, compiled for minutes at first use; gloo serves.
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def deepspeed_config(
    config: EngineConfig, *, stage: int, batch_size_per_rank: int
) -> dict[str, Any]:
    """The DeepSpeed config that an `EngineConfig` means, complete where defaults would surprise.

    Args:
        config: The engine's config.
        stage: ZeRO stage of this network.
        batch_size_per_rank: Images of one domain in a micro-batch.
    """
    return {
        "train_micro_batch_size_per_gpu": batch_size_per_rank,
        "gradient_accumulation_steps": config.gradient_accumulation_steps,
        # DeepSpeed clips to norm 1.0 unless told not to.
        "gradient_clipping": config.gradient_clipping,
        "torch_autocast": {"enabled": config.precision == "bf16", "dtype": "bfloat16"},
        "zero_optimization": {
            "stage": stage,
            "stage3_param_persistence_threshold": config.zero3_persistence_threshold,
        },
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 2**31,
    }


class DeepSpeedEngine:
    """One network under DeepSpeed. Needs an initialised process group, even for a single rank."""

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: EngineConfig,
        world: World,
        *,
        stage: int,
        batch_size_per_rank: int,
    ) -> None:
        if not deepspeed.comm.is_initialized():
            deepspeed.init_distributed(
                dist_backend=dist.get_backend(),
                auto_mpi_discovery=False,
                timeout=timedelta(seconds=config.collective_timeout_s),
                verbose=False,
            )
        self._initial_lrs = [group["lr"] for group in optimizer.param_groups]
        self._engine, *_ = deepspeed.initialize(
            model=module,
            optimizer=optimizer,
            config=deepspeed_config(config, stage=stage, batch_size_per_rank=batch_size_per_rank),
            dist_init_required=False,
        )
        self._config = config
        self._world = world
        self._stage = stage

    @property
    def module(self) -> nn.Module:
        module: nn.Module = self._engine.module
        return module

    def __call__(self, *args: Any) -> Any:
        return self._engine(*args)

    @contextmanager
    def frozen(self) -> Iterator[nn.Module]:
        # The bare module: the engine's own forward would arm its gradient hooks, and only it casts.
        with constant(self.module), autocast(self._world.device, self._config.precision):
            yield self.module

    def backward(self, loss: Tensor) -> None:
        self._engine.backward(loss)

    def step(self) -> None:
        self._engine.step()

    def set_lr_factor(self, factor: float) -> None:
        for group, initial in zip(self._param_groups, self._initial_lrs, strict=True):
            group["lr"] = initial * factor

    @property
    def learning_rates(self) -> list[float]:
        return [group["lr"] for group in self._param_groups]

    @property
    def _param_groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self._engine.optimizer.param_groups
        return groups

    def save(self, folder: Path) -> None:
        self._engine.save_checkpoint(str(folder), tag=_TAG, save_latest=False)

    def load(self, folder: Path) -> None:
        path, _ = self._engine.load_checkpoint(str(folder), tag=_TAG)
        if path is None:
            raise CheckpointError(
                f"{folder} holds no DeepSpeed checkpoint; take another checkpoint"
            )

    def weights(self) -> dict[str, Tensor]:
        module = self.module
        full: dict[str, Tensor] = {}
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            # One tensor at a time, so that the whole network never has to fit on one device.
            with deepspeed.zero.GatheredParameters([value], enabled=self._stage == 3):
                if self._world.is_main:
                    full[name] = value.detach().cpu().clone()
        kept = set(module.state_dict().keys())
        return {name: value for name, value in full.items() if name in kept}
