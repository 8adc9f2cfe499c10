"""Images a second of the paper's full setting, beside the published loop by hand."""

from __future__ import annotations

from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from advent_dist.parallel.world import World
from benchmarks.gpu_checks.clock import Clock
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.peaks import peak_tflops
from benchmarks.gpu_checks.published import Precision, by_hand, full_batch, method_of

_ROUNDS = 10
_IMAGES = 2
"""Of a step, one of each domain."""
BASELINE, OURS = "baseline", "ours"


def fp32(world: World, scale: float) -> Found:
    """Without TF32."""
    return _speed(world, scale, "fp32")


def tf32(world: World, scale: float) -> Found:
    """With TF32 in convolutions and matrix products."""
    return _speed(world, scale, "TF32")


def bf16(world: World, scale: float) -> Found:
    """With bf16 in the forward passes."""
    return _speed(world, scale, "bf16")


def _speed(world: World, scale: float, precision: Precision) -> Found:
    """The loop by hand and ours, on batches that are on the device, taking steps in turn."""
    last = full_batch(scale).to(world.device)
    first = full_batch(scale, channels_last=False).to(world.device)
    ours = method_of(world, precision)
    plain = method_of(world, precision, engine__kind="local")
    steps = {
        BASELINE: partial(by_hand(world, precision), first),
        OURS: partial(ours.step, last),
        "ours, NCHW": partial(ours.step, first),
        "ours, plain engines": partial(plain.step, last),
    }
    with FlopCounterMode(display=False) as counter:
        plain.step(last)
    tflop = counter.get_total_flops() / 1e12
    seconds = Clock(world.device).seconds(steps, _ROUNDS if world.device.type == "cuda" else 1)
    speeds = {name: _IMAGES / taken for name, taken in seconds.items()}
    numbers = {f"images/s, {name}": speed for name, speed in speeds.items()}
    ratios = {
        f"images/s, {precision}, ours / baseline": speeds[OURS] / speeds[BASELINE],
        f"images/s, {precision}, plain engines / baseline": (
            speeds["ours, plain engines"] / speeds[BASELINE]
        ),
        f"images/s, {precision}, channels-last / NCHW": speeds[OURS] / speeds["ours, NCHW"],
    }
    said = ", ".join(f"{name} {speed:.1f}" for name, speed in speeds.items())
    reached = tflop / seconds[OURS]
    numbers |= {"tflop_a_step": tflop, "tflops": reached}
    card = torch.cuda.get_device_name(0) if world.device.type == "cuda" else "a CPU"
    peak = peak_tflops(card, precision)
    if peak is None:
        said += f" images/s; {reached:.1f} TFLOPS, {card} being an unknown card"
    else:
        ratios[f"share of the card's peak, {precision}"] = reached / peak
        numbers["peak_tflops"] = peak
        said += f" images/s; {reached:.0f} TFLOPS, {reached / peak:.0%} of the peak"
    return Found(said=said, numbers=numbers, ratios=ratios)
