from __future__ import annotations

import math
import time

import pytest
import torch

from advent_dist.errors import DivergedError
from advent_dist.parallel.world import World
from advent_dist.training.meter import Meter
from tests.helpers import random_batch


def _metrics(**values: float) -> dict[str, torch.Tensor]:
    return {f"loss/{name}": torch.tensor(value) for name, value in values.items()}


def test_means_over_the_steps_since_the_last_reading() -> None:
    meter = Meter(World())
    for step, (seg, adv) in enumerate([(1.0, 8.0), (2.0, 4.0), (6.0, 0.0)]):
        meter.add(step, random_batch(step), _metrics(seg=seg, adv=adv))
    row = meter.read()
    assert (row["loss/seg"], row["loss/adv"]) == (3.0, 4.0)
    meter.add(3, random_batch(3), _metrics(seg=7.0, adv=1.0))
    assert meter.read()["loss/seg"] == 7.0


def test_throughput_and_waiting() -> None:
    meter = Meter(World())
    with meter.training():
        with meter.waiting():
            time.sleep(0.15)
        meter.add(0, random_batch(0), _metrics(seg=1.0))
        meter.add(0, random_batch(1), _metrics(seg=1.0))
        time.sleep(0.05)
    row = meter.read()
    # Four images in 0.2 s; a busy machine makes it slower, never faster.
    assert 0 < row["samples_per_s"] <= 20
    assert 0.3 < row["data_wait_fraction"] < 1


def test_what_the_device_has_yet_to_do_is_time_of_the_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, to_cpu = [0.0], torch.Tensor.cpu
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def slow(values: torch.Tensor) -> torch.Tensor:
        clock[0] += 6.0
        return to_cpu(values)

    monkeypatch.setattr(torch.Tensor, "cpu", slow)
    meter = Meter(World())
    for step in range(4):
        with meter.training():
            clock[0] += 0.5
            meter.add(step, random_batch(step), _metrics(seg=1.0))
        clock[0] += 100.0  # an evaluation, or a checkpoint
    row = meter.read()
    assert (row["step_time_s"], row["samples_per_s"]) == (2.0, 1.0)
    with meter.training():
        clock[0] += 0.5
        meter.add(4, random_batch(4), _metrics(seg=1.0))
    assert meter.read()["step_time_s"] == 6.5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_named_with_its_step_and_samples(value: float) -> None:
    meter = Meter(World())
    meter.add(40, random_batch(1), _metrics(seg=1.0, adv=1.0))
    meter.add(41, random_batch(2), _metrics(seg=1.0, adv=value))
    meter.add(42, random_batch(3), _metrics(seg=value, adv=value))
    with pytest.raises(DivergedError) as caught:
        meter.read()
    message = str(caught.value)
    assert message.startswith(f"loss/adv = {value} at step 41 on rank 0")
    assert "source samples s2a, s2b, target samples t2a, t2b" in message
    assert "resume" in message
    assert "s3a" not in message
