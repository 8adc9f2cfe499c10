"""An evaluation at the size of Cityscapes, with its peak memory."""

from __future__ import annotations

from typing import Any

import torch

from advent_dist.config.override import override
from advent_dist.evaluation.counts import count
from advent_dist.experiments import experiment
from advent_dist.models.segmenter import build_segmenter
from advent_dist.parallel.world import World
from advent_dist.training.determinism import set_deterministic
from benchmarks.gpu_checks.clock import Clock
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.held import at_most


def check(world: World, scale: float) -> Found:
    """The paper's network at 1024x512, counted at 2048x1024, as a training does it."""
    set_deterministic(False)
    chosen = override(experiment("gta5_cityscapes_advent"), {"model.weights": None})
    segmenter: Any = build_segmenter(chosen.segmenter, 19)
    segmenter.to(world.device).eval()
    (height, width), device = (round(scale * side) for side in (512, 1024)), world.device
    image = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8, device=device)
    size = (2 * height, 2 * width)
    label = torch.randint(0, 19, (1, *size), dtype=torch.uint8, device=device)

    def once() -> None:
        with torch.no_grad():
            pixels = count(segmenter(image, size).main, label).labels.confusion.sum()
        assert int(pixels) == label.numel()

    once()
    gigabytes = at_most(world.device, once) / 1e9
    clock = Clock(world.device)
    begun = clock.mark()
    once()
    ended = clock.mark()
    clock.wait()
    seconds = begun.until(ended)
    return Found(
        said=f"{seconds:.2f} s an image, {gigabytes:.2f} GB",
        numbers={"seconds_an_image": seconds, "peak_gb": gigabytes},
    )
