"""A method on tiny networks in plain PyTorch, and what its steps changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from advent_dist.config import (
    AdventConfig,
    AdventMinEntConfig,
    MinEntConfig,
    SourceOnlyConfig,
)
from advent_dist.config.override import override
from advent_dist.methods.base import Method
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from tests.helpers import tiny_experiment

Weights = dict[str, Tensor]

CONFIGS = {
    "source_only": SourceOnlyConfig,
    "minent": MinEntConfig,
    "advent": AdventConfig,
    "advent_minent": AdventMinEntConfig,
}
PLAIN = {
    "engine.kind": "local",
    "optimizer.segmenter": "sgd",
    "optimizer.segmenter_lr": 1e-3,
    "optimizer.head_lr_multiplier": 10.0,
}


def tiny_method(name: str, prior: Tensor | None = None, **changes: Any) -> Method:
    """A method at the paper's weights.

    Args:
        name: source_only, minent, advent or advent_minent.
        prior: the source's class frequencies.
        changes: values of the config, `method__lambda_ent=1.0` for method.lambda_ent.
    """
    chosen = replace(tiny_experiment("streets_source_only"), method=CONFIGS[name]())
    values = {path.replace("__", "."): value for path, value in changes.items()}
    chosen = override(chosen, {**PLAIN, **values})
    uniform = torch.full((19,), 1 / 19)
    return build_method(chosen, World(), uniform if prior is None else prior)


def weights_of(method: Method) -> dict[str, Weights]:
    """A copy of every network's parameters."""
    return {
        name: {key: value.detach().clone() for key, value in engine.module.named_parameters()}
        for name, engine in method.engines.items()
    }


def same(one: Weights, other: Weights) -> bool:
    """Whether two networks are equal to the bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
