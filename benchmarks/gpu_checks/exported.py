"""What is exported, and the network on the device that it was exported from."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from advent_dist.config.override import override
from advent_dist.data.class_sets import CITYSCAPES_19
from advent_dist.export.network import ExportedNetwork
from advent_dist.export.program import trace
from advent_dist.models.segmenter import build_segmenter
from advent_dist.parallel.world import World
from advent_dist.runs.trained import TrainedRun
from benchmarks.gpu_checks.exactness import fp32_alone
from benchmarks.gpu_checks.found import Found

_MOST = 1e-3
"""Of logits, relative to the largest one."""


def check(world: World, scale: float) -> Found:
    """A program of torch.export, read back on the CPU, has the logits of the device's network."""
    fp32_alone()
    from tests.helpers import tiny_experiment  # imports pytest's helpers, which exports do without

    chosen = override(
        tiny_experiment("streets_advent"), {"data.evaluation_size": (96, 64), "engine.tf32": False}
    )
    torch.manual_seed(0)
    run = TrainedRun(
        experiment=chosen,
        classes=CITYSCAPES_19,
        segmenter=build_segmenter(chosen.segmenter, 19).eval(),
        sliding=chosen.data.sliding,
    )
    images = torch.randint(0, 256, (2, 3, 64, 96)).float()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        file = Path(folder, "model.pt2")
        trace(run, read_back=True).write(file)
        exported = torch.export.load(file).module()(images)
        network = ExportedNetwork(run.segmenter, run.sliding).to(world.device)
        logits = network(images.to(world.device)).cpu()
    off = float((exported - logits).abs().max() / logits.abs().max())
    assert off <= _MOST, f"logits differ by {off:.1e}, and {_MOST:g} at most are allowed"
    return Found(said=f"logits differ by {off:.0e}", numbers={"logits_differ_by": off})
