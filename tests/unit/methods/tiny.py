"""A method on tiny networks in plain PyTorch, and what its steps changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, get_args

import torch
from torch import Tensor

from advent_dist.config import MethodConfig
from advent_dist.config.methods import DETAILED as DETAILED_CONFIGS
from advent_dist.config.methods import DETECTING, MIXING
from advent_dist.config.override import override
from advent_dist.methods.base import Method
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.types import DomainBatch
from tests.helpers import random_batch, tiny_experiment

Weights = dict[str, Tensor]

_OF_CONFIGS: tuple[Any, ...] = get_args(get_args(MethodConfig)[0])
_MORE: dict[str, Any] = {
    "vfm_uda_plus_plus": {
        "distill_encoder": "test_vit",
        "distill_pretrained": False,
        "distill_size": (48, 32),
    }
}
"""Of methods whose defaults are too large for a test."""

CONFIGS: dict[str, Callable[[], MethodConfig]] = {
    config.name: partial(config, **_MORE.get(config.name, {}))
    for config in _OF_CONFIGS
    if config not in DETECTING
}
SELF_TRAINING = tuple(config.name for config in _OF_CONFIGS if config in MIXING)
DETAILED = tuple(config.name for config in _OF_CONFIGS if config in DETAILED_CONFIGS)
"""With a network of its own: in two resolutions, of one level."""
PLAIN = {
    "engine.kind": "local",
    "optimizer.segmenter": "sgd",
    "optimizer.segmenter_lr": 1e-3,
    "optimizer.head_lr_multiplier": 10.0,
}


def tiny_method(
    name: str, prior: Tensor | None = None, world: World | None = None, **changes: Any
) -> Method:
    """A method at the paper's weights.

    Args:
        name: of the method.
        prior: the source's class frequencies.
        world: the rank; one on the CPU by default.
        changes: values of the config, `method__lambda_ent=1.0` for method.lambda_ent.
    """
    one_size = {"data.target_size": (64, 64)} if name in SELF_TRAINING else {}
    chosen = override(tiny_experiment("streets_source_only"), one_size)
    model = chosen.model
    if name in DETAILED:
        model = replace(model, multi_level=False, detail_crop=(32, 32))
    chosen = replace(chosen, model=model, method=CONFIGS[name]())
    values = {path.replace("__", "."): value for path, value in changes.items()}
    chosen = override(chosen, {**PLAIN, **values})
    uniform = torch.full((19,), 1 / 19)
    return build_method(chosen, world or World(), uniform if prior is None else prior)


def batch_of(name: str, seed: int) -> DomainBatch:
    """Noise that the method of that name takes: mixing needs one size."""
    batch = random_batch(seed)
    if name not in SELF_TRAINING:
        return batch
    return replace(batch, target_image=batch.target_image[..., :64])


def weights_of(method: Method) -> dict[str, Weights]:
    """A copy of every network's parameters."""
    return {
        name: {key: value.detach().clone() for key, value in engine.module.named_parameters()}
        for name, engine in method.engines.items()
    }


def same(one: Weights, other: Weights) -> bool:
    """Whether two networks are equal to the bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
