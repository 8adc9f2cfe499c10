"""A step of MIC in its published setting."""

from __future__ import annotations

from functools import partial

import torch

from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.types import DomainBatch
from benchmarks.gpu_checks.clock import Clock
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.held import at_most
from benchmarks.gpu_checks.published import take_precision

_SIDE = 512


def check(world: World, scale: float) -> Found:
    """Seconds and peak memory of a step in bf16, two images of each domain."""
    changes = {
        "engine.kind": "local",
        "engine.precision": take_precision("bf16"),
        # Random weights: a machine with a GPU may have no way to download any.
        "model.weights": None,
        "model.pretrained": False,
    }
    chosen = override(experiment("gta5_cityscapes_mic"), changes)
    method = build_method(chosen, world, torch.full((19,), 1 / 19))
    # Whole blocks of the mask.
    side = max(64, round(_SIDE * scale) // 64 * 64)
    images = torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    label = torch.randint(0, 19, (2, side, side), dtype=torch.uint8)
    batch = DomainBatch(source_image=images, source_label=label, target_image=images)
    step = partial(method.step, batch.to(world.device))
    rounds = 10 if world.device.type == "cuda" else 1
    seconds = Clock(world.device).seconds({"step": step}, rounds)["step"]
    gigabytes = at_most(world.device, step) / 1e9
    return Found(
        said=f"{seconds:.2f} s a step, {gigabytes:.2f} GB",
        numbers={"seconds_a_step": seconds, "images/s": 4 / seconds, "peak_gb": gigabytes},
    )
