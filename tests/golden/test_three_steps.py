"""Three steps of AdvEnt and of MinEnt as the published code makes them.

The networks have random weights, tiny images and BatchNorm over one image, which makes the steps
chaotic: a change in the last bit of step 0 is a change of 1e-5 in step 1 and of several per cent in
step 2, for the published code itself too when it runs on another CPU. So the published numbers are
asked for to 1e-3 where that means something (steps 0 and 1), and step 2 is compared in fp64 with
the published arithmetic, where rounding has not yet grown.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from advent_dist.config import AdventConfig, EngineConfig, MinEntConfig, OptimizerConfig
from advent_dist.losses import poly_lr
from advent_dist.methods.advent import Advent
from advent_dist.methods.minent import MinEnt
from advent_dist.models.deeplab_v2 import DeepLabV2
from advent_dist.models.discriminator import Discriminator
from advent_dist.models.segmenter import Normalise, Segmenter
from advent_dist.parallel.local import LocalEngine
from advent_dist.parallel.world import World
from advent_dist.training.optimizers import discriminator_optimizer, segmenter_optimizer
from advent_dist.types import DomainBatch
from tests.golden.published import published_steps
from tests.golden.reference_weights import fill

REFERENCE = Path(__file__).parent / "reference"
TOLERANCE = {0: 1e-5, 1: 1e-3, 2: 0.15}
"""Step -> relative; see above."""

PUBLISHED_NAMES = {
    "loss_seg_src_main": "loss/seg",
    "loss_seg_src_aux": "loss/seg_aux",
    "loss_adv_trg_main": "loss/adv",
    "loss_adv_trg_aux": "loss/adv_aux",
    "loss_ent_main": "loss/ent",
    "loss_ent_aux": "loss/ent_aux",
    # The published log shows the target's half alone.
    "loss_d_main": "loss/discriminator_target",
    "loss_d_aux": "loss/discriminator_aux_target",
}


def _batches(dtype: torch.dtype = torch.float32) -> list[DomainBatch]:
    inputs = np.load(REFERENCE / "three_steps_inputs.npz")
    return [
        DomainBatch(
            source_image=torch.from_numpy(inputs[f"source_image_{step}"]).to(dtype),
            source_label=torch.from_numpy(inputs[f"source_label_{step}"]),
            target_image=torch.from_numpy(inputs[f"target_image_{step}"]).to(dtype),
        )
        for step in range(3)
    ]


def _small(batch: DomainBatch) -> DomainBatch:
    """A corner of each image, since fp64 is slow."""
    return DomainBatch(
        source_image=batch.source_image[..., :33, :49],
        source_label=batch.source_label[..., :33, :49],
        target_image=batch.target_image[..., :33, :41],
    )


def _networks(dtype: torch.dtype = torch.float32) -> tuple[DeepLabV2, dict[str, Discriminator]]:
    """The published networks with the reference's weights."""
    network = DeepLabV2(num_classes=19, multi_level=True)
    fill(network, "seg.")
    discriminators = {}
    for name, prefix in (("discriminator", "d_main."), ("discriminator_aux", "d_aux.")):
        discriminators[name] = Discriminator(19)
        fill(discriminators[name], prefix)
        discriminators[name].to(dtype)
    return network.to(dtype).train(), discriminators


def _method(name: str, dtype: torch.dtype = torch.float32) -> MinEnt | Advent:
    """A method on the published networks, with the published optimisers."""
    network, discriminators = _networks(dtype)
    # The reference inputs are normalised already.
    segmenter = Segmenter(network, Normalise((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))).to(dtype)
    config = OptimizerConfig(published_repeats=True)
    engine, world = EngineConfig(kind="local"), World()
    optimizer = segmenter_optimizer(segmenter, config)
    engines = {"segmenter": LocalEngine(segmenter, optimizer, engine, world)}
    for key, discriminator in discriminators.items():
        optimizer = discriminator_optimizer(discriminator.parameters(), config)
        engines[key] = LocalEngine(discriminator, optimizer, engine, world)
    prior = torch.full((19,), 1 / 19)
    if name == "MinEnt":
        return MinEnt(MinEntConfig(), engines, prior)
    return Advent(AdventConfig(), engines, prior)


def _train(method: MinEnt | Advent, batches: list[DomainBatch]) -> list[dict[str, float]]:
    """The losses of each step under the published log's names."""
    rows = []
    for step, batch in enumerate(batches):
        for engine in method.engines.values():
            engine.set_lr_factor(poly_lr(1.0, step, 250_000, 0.9))
        metrics = method.step(batch)
        names = {new: old for old, new in PUBLISHED_NAMES.items()}
        rows.append({names[key]: metrics[key].item() for key in metrics if key in names})
    return rows


@pytest.mark.parametrize("name", ["MinEnt", "AdvEnt"])
def test_published_numbers(name: str) -> None:
    expected = json.loads((REFERENCE / "three_steps.json").read_text())[name]["losses"]
    for step, row in enumerate(_train(_method(name), _batches())):
        assert row == pytest.approx(expected[step], rel=TOLERANCE[step]), f"step {step}"


@pytest.mark.parametrize("name", ["MinEnt", "AdvEnt"])
def test_published_arithmetic(name: str) -> None:
    """Losses and every parameter after three steps, in fp64."""
    method, batches = _method(name, torch.float64), [_small(b) for b in _batches(torch.float64)]
    network, discriminators = _networks(torch.float64)
    expected = published_steps(name, network, discriminators, batches)
    for row, losses in zip(_train(method, batches), expected, strict=True):
        assert row == pytest.approx(losses, rel=1e-6)
    segmenter = method.engines["segmenter"].module
    assert isinstance(segmenter, Segmenter)
    trained = {"segmenter": segmenter.network} | {
        key: method.engines[key].module for key in discriminators
    }
    for key, module in {"segmenter": network, **discriminators}.items():
        for (parameter, theirs), ours in zip(
            module.named_parameters(), trained[key].parameters(), strict=True
        ):
            torch.testing.assert_close(
                ours, theirs, rtol=1e-5, atol=1e-8, msg=lambda text, p=parameter: f"{p}: {text}"
            )
