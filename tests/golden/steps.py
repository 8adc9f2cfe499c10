"""The reference's three batches and networks, and a method that trains on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from advent_dist.config import EngineConfig, MethodConfig, OptimizerConfig
from advent_dist.losses import poly_lr
from advent_dist.methods import METHODS
from advent_dist.methods.base import Method
from advent_dist.methods.parts import Parts
from advent_dist.models.deeplab_v2 import DeepLabV2
from advent_dist.models.discriminator import Discriminator
from advent_dist.models.segmenter import Normalise, Segmenter
from advent_dist.parallel.engine import Engine
from advent_dist.parallel.local import LocalEngine
from advent_dist.parallel.world import World
from advent_dist.training.optimizers import discriminator_optimizer, segmenter_optimizer
from advent_dist.types import DomainBatch
from tests.golden.reference_weights import fill

_REFERENCE = Path(__file__).parent / "reference"


def three_batches(dtype: torch.dtype = torch.float32) -> list[DomainBatch]:
    inputs = np.load(_REFERENCE / "three_steps_inputs.npz")
    return [
        DomainBatch(
            source_image=torch.from_numpy(inputs[f"source_image_{step}"]).to(dtype),
            source_label=torch.from_numpy(inputs[f"source_label_{step}"]),
            target_image=torch.from_numpy(inputs[f"target_image_{step}"]).to(dtype),
        )
        for step in range(3)
    ]


def published_networks(
    dtype: torch.dtype = torch.float32, head_dilations: int = 4
) -> tuple[DeepLabV2, dict[str, Discriminator]]:
    """The published networks with the reference's weights."""
    network = DeepLabV2(num_classes=19, multi_level=True, head_dilations=head_dilations)
    fill(network, "seg.")
    discriminators = {}
    for name, prefix in (("discriminator", "d_main."), ("discriminator_aux", "d_aux.")):
        discriminators[name] = Discriminator(19)
        fill(discriminators[name], prefix)
        discriminators[name].to(dtype)
    return network.to(dtype).train(), discriminators


def method_on_published_networks(
    config: MethodConfig, dtype: torch.dtype = torch.float32, head_dilations: int = 4
) -> Method:
    """A method on those networks, with the published optimisers."""
    network, discriminators = published_networks(dtype, head_dilations)
    # The reference inputs are normalised already.
    segmenter = Segmenter(network, Normalise((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))).to(dtype)
    optimizers = OptimizerConfig(published_repeats=True)
    engine, world = EngineConfig(kind="local"), World()
    optimizer = segmenter_optimizer(segmenter, optimizers)
    engines: dict[str, Engine] = {"segmenter": LocalEngine(segmenter, optimizer, engine, world)}
    for key, discriminator in discriminators.items():
        optimizer = discriminator_optimizer(discriminator.parameters(), optimizers)
        engines[key] = LocalEngine(discriminator, optimizer, engine, world)
    parts = Parts(engines=engines, source_prior=torch.full((19,), 1 / 19))
    method: Method = METHODS[config.name](config, parts)  # type: ignore[arg-type]
    return method


def train(method: Method, batches: list[DomainBatch]) -> list[dict[str, float]]:
    """The metrics of each step, under the published schedule."""
    rows = []
    for step, batch in enumerate(batches):
        for engine in method.engines.values():
            engine.set_lr_factor(poly_lr(1.0, step, 250_000, 0.9))
        rows.append({name: value.item() for name, value in method.step(batch).items()})
    return rows
