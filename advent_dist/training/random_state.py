"""The random states of a process as tensors, which a checkpoint can hold without a pickle."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor


def take(device: torch.device) -> dict[str, Tensor]:
    """The states of PyTorch's generator (and of the device's), of NumPy's and of Python's."""
    _, words, position, has_gauss, gauss = np.random.get_state()
    _, python, python_gauss = random.getstate()
    state = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(np.asarray(words, dtype=np.int64)),
        "numpy_rest": torch.tensor([position, has_gauss, gauss], dtype=torch.float64),
        "python": torch.tensor(python, dtype=torch.int64),
        "python_rest": torch.tensor(
            [] if python_gauss is None else [python_gauss], dtype=torch.float64
        ),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def is_of(state: dict[str, Tensor], device: torch.device) -> bool:
    """Whether `take` returned this for such a device: a run may go on on another one."""
    return device.type != "cuda" or "cuda" in state


def put_back(state: dict[str, Tensor], device: torch.device) -> None:
    """Set all generators to what `take` returned.

    Raises:
        ValueError, KeyError, RuntimeError: it is no such state.
    """
    torch.set_rng_state(state["torch"])
    words = state["numpy"].numpy().astype(np.uint32)
    position, has_gauss, gauss = state["numpy_rest"].tolist()
    np.random.set_state(("MT19937", words, int(position), int(has_gauss), gauss))
    rest = state["python_rest"].tolist()
    random.setstate((3, tuple(state["python"].tolist()), rest[0] if rest else None))
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


def draw(seed: int, step: int, rank: int) -> None:
    """Random states for a rank that has none to go on with; no two of a run's share one."""
    drawn = int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0])
    torch.manual_seed(drawn)
    np.random.seed(drawn)
    random.seed(drawn)
