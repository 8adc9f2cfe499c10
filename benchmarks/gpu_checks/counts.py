"""What an evaluation counts, on the device and on the CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from advent_dist.evaluation.counts import count
from advent_dist.parallel.world import World
from benchmarks.gpu_checks.found import Found


def check(world: World, scale: float) -> Found:
    """Equal confusion matrices; entropies, which are summed in another order, to 1e-5."""
    random = torch.Generator().manual_seed(1)
    coarse = 4 * torch.randn(2, 19, 33, 65, generator=random)
    logits = F.interpolate(coarse, (256, 512), mode="bilinear", align_corners=True)
    label = torch.randint(0, 20, (2, 256, 512), generator=random, dtype=torch.uint8)
    label[label == 19] = 255
    ours = count(logits.to(world.device), label.to(world.device))
    theirs = count(logits, label)
    assert torch.equal(ours.labels.confusion.cpu(), theirs.labels.confusion)
    found, expected = ours.predictions.entropy.cpu(), theirs.predictions.entropy
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    off = float((found / expected - 1).abs())
    return Found(said="equal confusion matrices", numbers={"entropies_differ_by": off})
