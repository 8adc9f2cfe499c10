"""What DeepSpeed keeps between two steps of AdvEnt at each ZeRO stage, and by formula."""

from __future__ import annotations

from typing import Any

from advent_dist.parallel.deepspeed import MOST_REDUCED
from advent_dist.parallel.world import World
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.held import held
from benchmarks.gpu_checks.published import full_batch, method_of

_ALLOWED = 1.05
"""Times what the formula says, or a 1.05th of it: an allocator rounds, small tensors are there."""


def check(world: World, scale: float) -> Found:
    """Bytes over those of the closed form, at stages 0 to 3 on one rank.

    Raises:
        AssertionError: at some stage it is not the same within 5 %.
    """
    gigabytes, numbers, ratios = [], {}, {}
    for stage in range(4):
        before = held(world.device)
        method = method_of(world, "TF32", engine__zero_stage=stage)
        batch = full_batch(scale).to(world.device)
        for _ in range(2):
            method.step(batch)
        del batch
        found, formula = held(world.device) - before, by_formula(method, stage)
        numbers |= {f"GB, ZeRO-{stage}": found / 1e9, f"GB, ZeRO-{stage}, formula": formula / 1e9}
        ratios[f"memory, ZeRO-{stage} / closed form"] = found / formula
        gigabytes.append(f"{found / 1e9:.2f}")
        del method
    for name, ratio in ratios.items():
        assert 1 / _ALLOWED <= ratio <= _ALLOWED, f"{name} is {ratio:.2f}; GB: {numbers}"
    worst = max(ratios.values(), key=lambda ratio: abs(ratio - 1))
    said = f"{', '.join(gigabytes)} GB; at most {worst:.2f} of the closed form"
    return Found(said=said, numbers=numbers, ratios=ratios)


def by_formula(method: Any, stage: int) -> float:
    """Bytes of weights and optimisers of one rank between two steps, all of fp32.

    The segmenter's momentum is one number a weight. ZeRO keeps a second copy of the weights, which
    it updates, and ZeRO-3 their gradients and a bucket for them, too. Discriminators, which stay
    whole, have two numbers a weight, by Adam.
    """
    size: dict[str, int] = {}
    still = 0
    for name, engine in method.engines.items():
        parameters = list(engine.module.parameters())
        # At ZeRO-3 parameters themselves are empty between steps.
        sizes = [getattr(one, "ds_numel", one.numel()) for one in parameters]
        trained = [one.requires_grad for one in parameters]
        size[name] = sum(n for n, on in zip(sizes, trained, strict=True) if on)
        still += sum(n for n, on in zip(sizes, trained, strict=True) if not on)
        still += sum(buffer.numel() for buffer in engine.module.buffers())
    segmenter = size.pop("segmenter")
    copies = {0: 2, 1: 3, 2: 3, 3: 4}[stage]
    bucket = min(MOST_REDUCED, segmenter) if stage == 3 else 0
    return 4.0 * (copies * segmenter + bucket + 3 * sum(size.values()) + still)
