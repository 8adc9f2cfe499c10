"""DeepSpeed: ZeRO-sharded execution. The only file that imports it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from advent_dist.config import EngineConfig
from advent_dist.parallel import pieces
from advent_dist.parallel.engine import autocast, constant, file_of
from advent_dist.parallel.world import World

if not torch.cuda.is_available():
    os.environ.setdefault("DS_ACCELERATOR", "cpu")  # read at import

if "mlflow" not in sys.modules:
    # Its autotuner, which nobody asks here, imports MLflow where that is installed: over a second.
    sys.modules["mlflow"] = None  # type: ignore[assignment]

import deepspeed
from deepspeed.accelerator import get_accelerator, set_accelerator
from deepspeed.accelerator.cpu_accelerator import CPU_Accelerator
from deepspeed.accelerator.cuda_accelerator import CUDA_Accelerator

if sys.modules.get("mlflow") is None:
    del sys.modules["mlflow"]

logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
# Which of DeepSpeed's own kernels could be compiled here: none is used, to ask runs compilers. One
# would be, a shared-memory collective for CPU ranks, for minutes at first use; gloo serves.
vars(deepspeed.ops)["__compatible_ops__"] = {}

MOST_REDUCED = 500_000_000
"""Elements of gradients that ZeRO reduces at once, at most: DeepSpeed's default."""


def deepspeed_config(
    config: EngineConfig, *, stage: int, batch_size_per_rank: int, trained: int
) -> dict[str, Any]:
    """The DeepSpeed config that an `EngineConfig` means, complete where defaults would surprise.

    Args:
        config: The engine's config.
        stage: ZeRO stage of this network.
        batch_size_per_rank: Images of one domain in a micro-batch.
        trained: Elements of the parameters that are trained.
    """
    zero: dict[str, Any] = {
        "stage": stage,
        # A buffer of as many is held, or taken in each reduction, on the device: 2 GB.
        "reduce_bucket_size": min(MOST_REDUCED, trained),
        "stage3_param_persistence_threshold": config.zero3_persistence_threshold,
    }
    if stage in (1, 2):
        # Which is read back from the GPU at each update; a loss that is not finite ends the run.
        zero["compute_grad_norm"] = config.gradient_clipping > 0
    return {
        "train_micro_batch_size_per_gpu": batch_size_per_rank,
        "gradient_accumulation_steps": config.gradient_accumulation_steps,
        # DeepSpeed clips to norm 1.0 unless told not to.
        "gradient_clipping": config.gradient_clipping,
        "torch_autocast": {
            "enabled": config.precision == "bf16",
            "dtype": "bfloat16",
            # ZeRO 1 to 3 reduce the gradients of these modules, and gather their weights, in bf16:
            # by default those of all convolutions. Forward passes in bf16 do not depend on it.
            "lower_precision_safe_modules": [],
        },
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 2**31,
        # Its timer waits for the GPU at every forward pass and at every update; `Meter` does not.
        "timers": {"throughput": {"enabled": False}},
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
        # Of the shell within an mpirun that this process comes from: DeepSpeed would take that
        # launcher's ranks for this group's.
        for name in [name for name in os.environ if name.startswith("OMPI_COMM_WORLD_")]:
            del os.environ[name]
        _compute_on(world.device)
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
            config=deepspeed_config(
                config,
                stage=stage,
                batch_size_per_rank=batch_size_per_rank,
                trained=sum(p.numel() for p in module.parameters() if p.requires_grad),
            ),
            dist_init_required=False,
        )
        if stage == 0 and world.size == 1:
            # It would flatten all gradients, a second copy, to sum them with nobody, and copy back.
            self._engine.enable_backward_allreduce = False
        self._config = config
        self._world = world
        self._stage = stage
        self._micro_steps = 0

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

    def backward(self, loss: Tensor, *, more: bool = False) -> None:
        # Left to itself it takes each pass for a micro-batch: ZeRO 1 and 2 would keep the last one.
        ends_window = self._micro_steps == self._config.gradient_accumulation_steps - 1
        self._engine.set_gradient_accumulation_boundary(ends_window and not more)
        self._engine.backward(loss)

    def step(self) -> None:
        self._engine.step()
        self._micro_steps = (self._micro_steps + 1) % self._config.gradient_accumulation_steps

    @property
    def begins_window(self) -> bool:
        return self._micro_steps == 0

    @contextmanager
    def whole_parameters(self) -> Iterator[list[Tensor]]:
        parameters: list[Tensor] = [p for p in self.module.parameters() if p.requires_grad]
        with deepspeed.zero.GatheredParameters(parameters, enabled=self._stage == 3):
            yield parameters

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
        if self._world.is_main or self._stage > 0:
            pieces.save(folder / file_of(self._world.rank), self._optimizer, self._updated())

    def load(self, files: Sequence[Path], weights: Path | None = None) -> None:
        with self._never_updated() as frozen:
            pieces.load(files, self._optimizer, frozen, weights)
        zero = self._engine.optimizer
        if self._stage == 3:
            zero.checkpoint_event_prologue()
        pieces.load(files, self._optimizer, self._updated(), weights)
        if self._stage in (1, 2):
            zero.update_lp_params()
        elif self._stage == 3:
            for group in range(len(zero.fp16_groups)):
                zero._reassign_or_swap_out_partitioned_parameters(group)
            zero.checkpoint_event_epilogue()

    @property
    def _optimizer(self) -> torch.optim.Optimizer:
        """The optimiser inside of DeepSpeed's."""
        optimizer: torch.optim.Optimizer = self._engine.basic_optimizer
        return optimizer

    def _updated(self) -> list[pieces.Updated]:
        """What this rank's optimiser updates, read off ZeRO's own bookkeeping."""
        if self._stage == 0:
            return pieces.trained(self.module)
        names = {parameter: name for name, parameter in self.module.named_parameters()}
        zero = self._engine.optimizer
        if self._stage == 3:
            flats, groups = zero.fp32_partitioned_groups_flat, zero.fp16_groups
            cut = self._stage_3_pieces
        else:
            flats, groups = zero.single_partition_of_fp32_groups, zero.bit16_groups
            cut = _stage_1_2_pieces
        return [
            pieces.Updated(tensor=flat, pieces=list(cut(group, names)))
            for flat, group in zip(flats, groups, strict=True)
        ]

    @contextmanager
    def _never_updated(self) -> Iterator[list[pieces.Updated]]:
        """The parameters that are in no optimiser, whole on every rank. Collective."""
        named = self.module.named_parameters()
        frozen = [(name, parameter) for name, parameter in named if not parameter.requires_grad]
        with deepspeed.zero.GatheredParameters(
            [parameter for _, parameter in frozen], modifier_rank=0, enabled=self._stage == 3
        ):
            yield pieces.whole(frozen)

    def _stage_3_pieces(
        self, group: list[nn.Parameter], names: dict[nn.Parameter, str]
    ) -> Iterator[pieces.Piece]:
        offset = 0
        for parameter in group:
            part = parameter.ds_tensor.ds_numel  # type: ignore[attr-defined]
            start = self._world.rank * part
            # What doesn't divide by the world is padded at its end.
            size = min(part, parameter.ds_numel - start)  # type: ignore[attr-defined]
            if size > 0:
                yield pieces.Piece(name=names[parameter], start=start, offset=offset, size=size)
            offset += part

    def weights(self) -> dict[str, Tensor]:
        module = self.module
        full: dict[str, Tensor] = {}
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            # One tensor at a time, so that the whole network never has to fit on one device.
            with deepspeed.zero.GatheredParameters([value], enabled=self._stage == 3):
                if self._world.is_main:
                    full[name] = value.detach().to("cpu", copy=True)
        kept = set(module.state_dict().keys())
        return {name: value for name, value in full.items() if name in kept}


def _compute_on(device: torch.device) -> None:
    """Have DeepSpeed compute where the rank does: left to itself it takes any GPU that it sees."""
    if get_accelerator().device_name() != device.type:
        set_accelerator(CUDA_Accelerator() if device.type == "cuda" else CPU_Accelerator())


def _stage_1_2_pieces(
    group: list[nn.Parameter], names: dict[nn.Parameter, str]
) -> Iterator[pieces.Piece]:
    for parameter in group:
        mapping = parameter._hp_mapping  # type: ignore[attr-defined]
        if mapping is not None:  # part of it is this rank's
            here, there = mapping.lp_fragment_address, mapping.hp_fragment_address
            yield pieces.Piece(
                name=names[parameter], start=here.start, offset=there.start, size=here.numel
            )


def destroy_process_group() -> None:
    """End the process group and DeepSpeed's own account of it, or the next one is refused."""
    if deepspeed.comm.is_initialized():
        deepspeed.comm.destroy_process_group()
    elif dist.is_initialized():
        dist.destroy_process_group()
