"""An engine's weights and optimiser state on disk: by parameter, whoever holds which part of it.

A rank writes the pieces of parameters that its optimiser updates: whole ones in plain PyTorch and
at ZeRO stage 0, slices of flattened ones at the other stages. Any other number of ranks, at any
stage, cuts what it needs out of all files. Everything is fp32 and copied, so nothing is rounded.
What no optimiser updates is in another file, whole and by its name.

    KEY:START:NAME    KEY (`weight`, `momentum_buffer`, ...) of parameter NAME from element START on
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from advent_dist.errors import CheckpointError

_WEIGHT = "weight"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Where elements of a flattened parameter lie in a flattened tensor of the optimiser."""

    name: str
    """The parameter's name in its module."""

    start: int
    """First element of the parameter."""

    offset: int
    """The same element's place in the optimiser's tensor."""

    size: int
    """Number of elements."""

    def of(self, tensor: Tensor) -> Tensor:
        """The piece's part of `tensor`, as a view [size]."""
        return tensor.view(-1)[self.offset : self.offset + self.size]


@dataclass(frozen=True, kw_only=True)
class Updated:
    """A tensor that the optimiser updates, and whose elements it consists of."""

    tensor: Tensor
    """A parameter, or ZeRO's flat partition of several; a key of the optimiser's state."""

    pieces: Sequence[Piece]
    """What is in it besides padding."""


def whole(parameters: Sequence[tuple[str, Tensor]]) -> list[Updated]:
    """Parameters that the optimiser updates as they are."""
    return [
        Updated(
            tensor=parameter,
            pieces=[Piece(name=name, start=0, offset=0, size=parameter.numel())],
        )
        for name, parameter in parameters
    ]


def trained(module: nn.Module) -> list[Updated]:
    """The parameters of a module that are trained, which the optimiser updates as they are."""
    return whole([(name, one) for name, one in module.named_parameters() if one.requires_grad])


@torch.no_grad()
def save(path: Path, optimizer: torch.optim.Optimizer, updated: Sequence[Updated]) -> None:
    """Write what this rank updates.

    Args:
        path: A file in the engine's folder, another one for each rank.
        optimizer: It, with states of the tensors' own size, or 0-d (`step`).
        updated: The tensors that it updates.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for item in updated:
        state = optimizer.state.get(item.tensor, {})
        for piece in item.pieces:
            tensors[_key(_WEIGHT, piece)] = piece.of(item.tensor.detach()).cpu()
            for key, value in state.items():
                if isinstance(value, Tensor):
                    # What all pieces share is no slice of its own, which safetensors asks for.
                    part = piece.of(value) if value.dim() else value.clone()
                    tensors[_key(key, piece)] = part.detach().cpu()
    save_file(tensors, path)


@torch.no_grad()
def load(
    files: Sequence[Path],
    optimizer: torch.optim.Optimizer,
    updated: Sequence[Updated],
    weights: Path | None = None,
) -> None:
    """Read into weights and optimiser state what any number of ranks wrote.

    Args:
        files: Those of all ranks that wrote.
        optimizer: Its state is replaced.
        updated: The tensors that it updates.
        weights: Has whole parameters by name; those that are in none of the files are read of it.

    Raises:
        CheckpointError: a part of a parameter is in none of the files.
    """
    with _saved(files, weights) as saved:
        optimizer.state.clear()
        for item in updated:
            for piece in item.pieces:
                piece.of(item.tensor.detach()).copy_(saved.read(_WEIGHT, piece))
                for key in saved.states(piece.name):
                    _read_state(saved, optimizer.state[item.tensor], key, item.tensor, piece)


def _read_state(
    saved: _Saved, state: dict[str, Any], key: str, tensor: Tensor, piece: Piece
) -> None:
    scalar = saved.scalar(key, piece.name)
    if scalar is not None:
        state[key] = scalar
        return
    # Zeros where there was no state yet: no momentum is a momentum of 0.
    part = piece.of(state.setdefault(key, torch.zeros_like(tensor, requires_grad=False)))
    part.copy_(saved.read(key, piece))


def _key(key: str, piece: Piece) -> str:
    return f"{key}:{piece.start}:{piece.name}"


class _Saved:
    """All files of an engine, by parameter."""

    def __init__(self, paths: Sequence[Path], files: Sequence[Any], weights: Any) -> None:
        self._paths = paths
        self._weights = weights
        self._named = set[str]() if weights is None else set(weights.keys())
        self._places: dict[tuple[str, str], list[tuple[int, str, Any]]] = defaultdict(list)
        self._keys: dict[str, set[str]] = defaultdict(set)
        for file in files:
            for entry in file.keys():  # noqa: SIM118
                key, start, name = entry.split(":", 2)
                self._places[key, name].append((int(start), entry, file))
                self._keys[name].add(key)

    def states(self, name: str) -> set[str]:
        """The keys of a parameter's optimiser state."""
        return self._keys[name] - {_WEIGHT}

    def scalar(self, key: str, name: str) -> Tensor | None:
        """A 0-d state, which all pieces of a parameter share; none if it is none."""
        _, entry, file = self._places[key, name][0]
        return None if file.get_slice(entry).get_shape() else file.get_tensor(entry)

    def read(self, key: str, piece: Piece) -> Tensor:
        """The values of a piece, put together from those that were written: [piece.size]."""
        parts = self._places[key, piece.name]
        if not parts and key == _WEIGHT and piece.name in self._named:
            whole: Tensor = self._weights.get_tensor(piece.name).view(-1)
            return whole[piece.start : piece.start + piece.size]
        stop = piece.start + piece.size
        values = torch.empty(piece.size)
        found = 0
        for start, entry, file in parts:
            part = file.get_slice(entry)
            low, high = max(start, piece.start), min(start + part.get_shape()[0], stop)
            if low < high:
                values[low - piece.start : high - piece.start] = part[low - start : high - start]
                found += high - low
        if found != piece.size:
            raise CheckpointError(
                f"{self._paths[0].parent} holds {found} of the {piece.size} elements of {key} of "
                f"{piece.name} from {piece.start} on; take another checkpoint, or start the run "
                "anew (--overwrite)"
            )
        return values


@contextmanager
def _saved(paths: Sequence[Path], weights: Path | None = None) -> Iterator[_Saved]:
    with ExitStack() as files:
        opened = [files.enter_context(safe_open(path, framework="pt")) for path in paths]
        rest = None if weights is None else files.enter_context(safe_open(weights, framework="pt"))
        yield _Saved(paths, opened, rest)
