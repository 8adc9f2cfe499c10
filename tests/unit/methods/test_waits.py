"""A step gives the GPU work, and waits for none of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor

from advent_dist.augmentation.fourier import in_target_style
from advent_dist.methods.detection import DETECTION_METHODS
from advent_dist.parallel.local import LocalEngine
from advent_dist.parallel.world import World
from tests.detection_helpers import detection_method, random_box_batch
from tests.fake_gpu import GPU, fake_gpu
from tests.unit.methods.tiny import CONFIGS, SELF_TRAINING, batch_of, tiny_method

ALWAYS = {
    "method__jitter_probability": 1.0,
    "method__blur_probability": 1.0,
    "method__logit_adjustment": 1.0,
}
"""What self-training does by chance, and what it can do."""


@pytest.fixture(autouse=True)
def _no_backward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autograd needs the driver; the optimisers get gradients all the same."""

    def backward(engine: LocalEngine, loss: Tensor, *, more: bool = False) -> None:
        for parameter in engine.module.parameters():
            parameter.grad = torch.zeros_like(parameter)

    monkeypatch.setattr(LocalEngine, "backward", backward)


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((name, ALWAYS if name in SELF_TRAINING else {}) for name in CONFIGS),
        ("minent", {"method__lambda_prior": 1.0, "method__entropy_range": 0.5}),
        ("dacs", {"method__pseudo_labels": "class_balanced", "method__portion": 0.5}),
        ("dacs", {"method__pseudo_labels": "class_capped"}),
        ("advent", {"engine__gradient_clipping": 1.0, "optimizer__segmenter": "adamw"}),
    ],
)
def test_a_step_waits_for_nothing(name: str, changes: dict[str, Any]) -> None:
    with fake_gpu() as waits:
        method = tiny_method(name, world=World(device=GPU), **changes)
        for step in range(2):  # where optimisers have a state
            batch = batch_of(name, step).to(GPU)
            if name in SELF_TRAINING:
                batch = in_target_style(batch, 0.01)
            waits.found.clear()
            metrics = method.step(batch)
    assert waits.found == []
    assert {value.device for value in metrics.values()} == {GPU}


@pytest.mark.parametrize("name", DETECTION_METHODS)
def test_a_detectors_step_waits_for_nothing(name: str) -> None:
    with fake_gpu() as waits:
        method = detection_method(name, World(device=GPU))
        for step in range(2):
            batch = random_box_batch(step).to(GPU)
            waits.found.clear()
            metrics = method.step(batch)
    assert waits.found == []
    assert {value.device for value in metrics.values()} == {GPU}


def test_what_waits_is_found() -> None:
    with fake_gpu() as waits:
        there = torch.rand(3).to(GPU)
        waits.found.clear()
        for wait in (
            lambda: torch.tensor([1.0], device=GPU),
            lambda: there.cpu(),
            lambda: there[there > 0],
            lambda: there.nonzero(),
            lambda: torch.bincount(there.long(), minlength=3),
            lambda: there.bool().any().item(),
            lambda: there.copy_(torch.rand(3)),
        ):
            found = len(waits.found)
            with suppress(RuntimeError):  # there are no values to go by
                wait()
            assert len(waits.found) > found, wait
        found = len(waits.found)
        there.copy_(torch.rand(3), non_blocking=True)
        torch.rand(3).to(GPU, non_blocking=True)
        there.float()[torch.arange(2, device=GPU)].sum()
        assert waits.found[found:] == []
