"""An exponential moving average of a network while it is trained: a mean teacher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from advent_dist.config import EngineConfig
from advent_dist.errors import CheckpointError
from advent_dist.parallel.engine import Engine, autocast, file_of
from advent_dist.parallel.world import World

_UPDATES = "updates"


class Average:
    """The average, whole on every rank, in fp32 (Tarvainen and Valpola, arXiv 1703.01780).

    It predicts as published by DACS and DAFormer: without dropout and stochastic depth, but with
    BatchNorm's statistics of the batch itself. Buffers are never taken over.

    Args:
        module: a copy of the network, in whose place the average comes; on its device.
        config: of the engine that trains, for its precision.
        world: this rank.
    """

    def __init__(self, module: nn.Module, config: EngineConfig, world: World) -> None:
        self._trained = {n: p.detach() for n, p in module.named_parameters() if p.requires_grad}
        # What the network keeps in evaluation mode, it keeps there.
        self.module = module.requires_grad_(False).train()
        for layer in module.modules():
            if not isinstance(layer, _BatchNorm):
                layer.training = False
        self.updates = 0
        self._config = config
        self._world = world

    def __call__(self, *args: Any) -> Any:
        """The network's forward pass, without a graph."""
        with torch.no_grad(), autocast(self._world.device, self._config.precision):
            return self.module(*args)

    @torch.no_grad()
    def follow(self, engine: Engine, most: float) -> None:
        """Average <- a * average + (1 - a) * network, once an accumulation window. Collective.

        a = min(1 - 1 / (i + 1), most) at update i = 0, 1, ...: the first one copies, and until
        `most` rules the average is the plain mean of all networks so far.

        Args:
            engine: of the network.
            most: the final a, in [0, 1).
        """
        if not engine.begins_window:
            return
        keeps = min(1 - 1 / (self.updates + 1), most)
        with engine.whole_parameters() as parameters:
            torch._foreach_lerp_(list(self._trained.values()), parameters, 1 - keeps)
        self.updates += 1

    def save(self, folder: Path) -> None:
        """Rank 0 writes it. Collective.

        Raises:
            RuntimeError: it is not the same on all ranks, which only a mistake in this program or
                a broken machine can be the reason of.
        """
        sums = self._world.gather(self._sum_of_bits())
        if len(set(sums)) > 1:
            raise RuntimeError(f"the averages of the ranks have come apart: sums of bits {sums}")
        if self._world.is_main:
            folder.mkdir(parents=True, exist_ok=True)
            tensors = {name: value.cpu() for name, value in self._trained.items()}
            save_file(tensors, folder / file_of(0), metadata={_UPDATES: str(self.updates)})

    @torch.no_grad()
    def load(self, files: Sequence[Path], weights: Path | None = None) -> None:
        """Read what `save` wrote; see `Kept.load`.

        Raises:
            CheckpointError: it is not there, or of another network.
        """
        if not files:
            raise CheckpointError(
                "the checkpoint has no average of the network, which this method learns from; "
                "start a new run (--run.name)"
            )
        try:
            with safe_open(files[0], framework="pt") as file:
                averaged = set(file.keys())
                if not averaged or averaged - dict(self.module.named_parameters()).keys():
                    raise KeyError("it has other parameters")
                averaged &= self._trained.keys()
                for name in averaged:
                    self._trained[name].copy_(file.get_tensor(name))
                self.updates = int(file.metadata()[_UPDATES])
            self._load_rest(averaged, weights)
        except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{files[0]} is no average of this network ({error}); take another checkpoint, or "
                "start the run anew (--overwrite)"
            ) from error

    def _load_rest(self, averaged: set[str], weights: Path | None) -> None:
        """What was not trained so far, or is not from here on: the network's own."""
        rest = {n: p for n, p in self.module.named_parameters() if n not in averaged}
        if not rest:
            return
        if weights is None:
            raise KeyError(next(iter(rest)))
        with safe_open(weights, framework="pt") as file:
            for name, parameter in rest.items():
                parameter.copy_(file.get_tensor(name))

    def _sum_of_bits(self) -> int:
        """Equal for equal weights, whatever the order of summation."""
        values = self._trained.values()
        return sum(int(value.contiguous().view(torch.int32).sum()) for value in values)
