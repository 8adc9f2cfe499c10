"""How long steps wait for the loader, whose shards are on this machine's disk."""

from __future__ import annotations

import tempfile

from advent_dist.config.override import override
from advent_dist.data.loader import TrainingLoader
from advent_dist.experiments import experiment
from advent_dist.parallel.world import World
from advent_dist.training.meter import Meter
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.published import SOURCE, TARGET, method_of
from shards.streets_data import build_streets_data

_STEPS, _WARM_UP = 30, 5


def check(world: World, scale: float) -> Found:
    """The share of a step that waits for a batch, by the meter of a training."""
    width, height = (round(side * scale) for side in SOURCE)
    with tempfile.TemporaryDirectory() as root:
        # Multiples of 16, which scenes are drawn in.
        size = (width // 16 * 16, height // 16 * 16)
        build_streets_data(root, size=size, num_training=8, num_evaluation=1)
        data = override(
            experiment("gta5_cityscapes_advent"),
            {
                "data.root": root,
                "data.source": "streets/clean/train",
                "data.target": "streets/dusk/train",
                "data.evaluation": "streets/dusk/tune",
                "data.source_size": (width, height),
                "data.target_size": tuple(round(side * scale) for side in TARGET),
            },
        ).data
        pinned = world.device.type == "cuda"
        loader = TrainingLoader(data, rank=0, world_size=1, seed=0, pinned=pinned)
        try:
            # Before CUDA is used, which no fork may follow.
            loader.start()
            method, meter = method_of(world, "bf16"), Meter(world)
            steps = _WARM_UP + (_STEPS if pinned else 2)
            for step in range(steps):
                if step == _WARM_UP:
                    meter.read()
                with meter.training():
                    with meter.waiting():
                        batch = next(loader).to(world.device)
                    meter.add(step, batch, method.step(batch))
            row = meter.read()
        finally:
            loader.close()
    share, speed = row["data_wait_fraction"], 2 * row["samples_per_s"]
    return Found(
        said=f"{share:.1%} of a step, {data.workers_per_rank} workers, {speed:.1f} images/s",
        numbers={"images/s": speed, "workers_per_rank": data.workers_per_rank},
        ratios={"waiting for data / step, bf16": share},
    )
