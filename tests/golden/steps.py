"""The reference's three batches and networks, and a method that trains on them."""

from __future__ import annotations

from dataclasses import replace
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
from advent_dist.parallel.world import World
from advent_dist.training.assembly import make_engine
from advent_dist.training.optimizers import discriminator_optimizer, segmenter_optimizer
from advent_dist.types import DomainBatch
from tests.golden.reference_weights import fill
from tests.helpers import tiny_experiment

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
    config: MethodConfig,
    dtype: torch.dtype = torch.float32,
    head_dilations: int = 4,
    stage: int | None = None,
) -> Method:
    """A method on those networks, with the published optimisers.

    Args:
        config: Of the method.
        dtype: Of all numbers.
        head_dilations: Of the segmenter.
        stage: Of DeepSpeed, in a process that is a rank; plain engines by default.
    """
    network, discriminators = published_networks(dtype, head_dilations)
    # The reference inputs are normalised already.
    segmenter = Segmenter(network, Normalise((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))).to(dtype)
    optimizers = OptimizerConfig(published_repeats=True)
    world = World()
    engine = (
        EngineConfig(kind="local")
        if stage is None
        else EngineConfig(
            kind="deepspeed",
            zero_stage=stage,
            discriminator_zero_stage=stage,
            zero3_persistence_threshold=0,
        )
    )
    experiment = replace(tiny_experiment("streets_source_only"), engine=engine)
    optimizer = segmenter_optimizer(segmenter, optimizers)
    engines = {"segmenter": make_engine(segmenter, optimizer, experiment, world, stage or 0)}
    for key, discriminator in discriminators.items():
        optimizer = discriminator_optimizer(discriminator.parameters(), optimizers)
        engines[key] = make_engine(discriminator, optimizer, experiment, world, stage or 0)
    parts = Parts(engines=engines, source_prior=torch.full((19,), 1 / 19))
    return METHODS[config.name](config, parts)


def train(method: Method, batches: list[DomainBatch]) -> list[dict[str, float]]:
    """The metrics of each step, under the published schedule."""
    rows = []
    for step, batch in enumerate(batches):
        for engine in method.engines.values():
            engine.set_lr_factor(poly_lr(1.0, step, 250_000, 0.9))
        rows.append({name: value.item() for name, value in method.step(batch).items()})
    return rows
