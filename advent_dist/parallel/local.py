"""Plain PyTorch: the readable twin of the DeepSpeed engine; parity tests compare the two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advent_dist.config import EngineConfig
from advent_dist.parallel import pieces
from advent_dist.parallel.engine import autocast, constant, file_of
from advent_dist.parallel.world import World


class LocalEngine:
    """A whole replica of the network on every rank; gradients are averaged over the ranks."""

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: EngineConfig,
        world: World,
    ) -> None:
        self.module = module
        self._optimizer = optimizer
        self._config = config
        self._world = world
        self._initial_lrs = [group["lr"] for group in optimizer.param_groups]
        self._micro_steps = 0

    def __call__(self, *args: Any) -> Any:
        with autocast(self._world.device, self._config.precision):
            return self.module(*args)

    @contextmanager
    def frozen(self) -> Iterator[nn.Module]:
        with constant(self.module), autocast(self._world.device, self._config.precision):
            yield self.module

    def backward(self, loss: Tensor, *, more: bool = False) -> None:
        (loss / self._config.gradient_accumulation_steps).backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        self._micro_steps += 1
        if self._micro_steps % self._config.gradient_accumulation_steps:
            return
        trained = [p for group in self._optimizer.param_groups for p in group["params"]]
        for parameter in trained:
            if parameter.grad is not None:
                self._world.sum(parameter.grad).div_(self._world.size)
        if self._config.gradient_clipping:
            nn.utils.clip_grad_norm_(trained, self._config.gradient_clipping)
        self._optimizer.step()
        self._optimizer.zero_grad()

    @property
    def begins_window(self) -> bool:
        return self._micro_steps % self._config.gradient_accumulation_steps == 0

    @contextmanager
    def whole_parameters(self) -> Iterator[list[Tensor]]:
        yield [parameter for parameter in self.module.parameters() if parameter.requires_grad]

    def set_lr_factor(self, factor: float) -> None:
        for group, initial in zip(self._optimizer.param_groups, self._initial_lrs, strict=True):
            group["lr"] = initial * factor

    @property
    def learning_rates(self) -> list[float]:
        return [group["lr"] for group in self._optimizer.param_groups]

    def save(self, folder: Path) -> None:
        if self._world.is_main:
            pieces.save(folder / file_of(0), self._optimizer, pieces.trained(self.module))

    def load(self, files: Sequence[Path], weights: Path | None = None) -> None:
        everything = pieces.whole(list(self.module.named_parameters()))
        pieces.load(files, self._optimizer, everything, weights)

    def weights(self) -> dict[str, Tensor]:
        if not self._world.is_main:
            return {}
        return {name: value.detach().cpu() for name, value in self.module.state_dict().items()}
