"""One check of `benchmarks/gpu.py`, in a process of its own."""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
import tyro

from advent_dist.config.override import override
from advent_dist.data.class_sets import CITYSCAPES_BOXES_8
from advent_dist.evaluation.counts import count
from advent_dist.experiments import experiment
from advent_dist.methods.base import Method
from advent_dist.models.segmenter import build_segmenter
from advent_dist.parallel.tf32 import set_tf32
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.training.tasks import task_of
from advent_dist.types import BoxBatch, Boxes, BoxEvaluationBatch, DomainBatch
from tests.helpers import random_batch, tiny_experiment

Device = Literal["cpu", "cuda"]
STEPS = 20
_PUBLISHED = {"optimizer.segmenter": "sgd", "optimizer.head_lr_multiplier": 10.0}
"""AdamW would divide gradients that are nearly 0 by their own size."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is checked, and where."""

    check: str
    """A name in `CHECKS`."""

    device: Device
    """What computes."""


def main() -> None:
    """Print what was found, as JSON; an assertion is a failure."""
    options = tyro.cli(Options)
    check = CHECKS[options.check]
    # Ray Train makes one of its own.
    alone = nullcontext(World(device=torch.device(options.device)))
    with alone if check is product else _process_group(options.device) as world:
        said = check(world)
    sys.stdout.write(json.dumps({"said": said}) + "\n")


@contextmanager
def _process_group(device: Device) -> Iterator[World]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    place = torch.device(device, 0) if device == "cuda" else torch.device("cpu")
    dist.init_process_group(
        "nccl" if device == "cuda" else "gloo", rank=0, world_size=1, timeout=timedelta(minutes=2)
    )
    yield World(device=place)
    dist.destroy_process_group()


def _losses(world: World, **changes: Any) -> torch.Tensor:
    """The losses of AdvEnt's first steps on noise, float64 [steps, losses]."""
    paths = {name.replace("__", "."): value for name, value in changes.items()}
    chosen = override(tiny_experiment("streets_advent"), {**_PUBLISHED, **paths})
    method = build_method(chosen, world, torch.full((19,), 1 / 19))
    rows = []
    for step in range(STEPS):
        metrics = method.step(random_batch(step).to(world.device))
        rows.append(torch.stack([value.double().cpu() for value in metrics.values()]))
    return torch.stack(rows)


def _off_by(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((found - expected).abs() / expected.abs().clamp(min=1e-3)).max())


def _within(found: torch.Tensor, expected: torch.Tensor, most: float) -> str:
    off = _off_by(found, expected)
    assert off <= most, f"losses differ by {off:.1e}, and {most:g} at most are allowed"
    return f"losses differ by {off:.0e}"


def as_on_the_cpu(world: World) -> str:
    """fp32, without TF32: the device trains as the CPU does."""
    set_tf32(False)
    cpu = _losses(World(), engine__kind="local")
    return _within(_losses(world, engine__kind="local"), cpu, 1e-3)


def zero_stages(world: World) -> str:
    """DeepSpeed at ZeRO 0 to 3 trains as plain PyTorch does, on one rank."""
    plain = _losses(world, engine__kind="local")
    found = [
        _losses(world, engine__kind="deepspeed", engine__zero_stage=stage) for stage in range(4)
    ]
    worst = max(found, key=lambda one: _off_by(one, plain))
    return _within(worst, plain, 1e-3)


def detector(world: World) -> str:
    """A detector's AdvEnt takes two steps, and its boxes are found and scored."""
    chosen = override(experiment("streets_boxes_advent"), {"engine.kind": "local"})
    task = task_of(chosen)
    method = build_method(chosen, world, torch.full((8,), 1 / 8))
    boxes = Boxes(
        xyxy=torch.tensor([[10.0, 10.0, 90.0, 60.0]]),
        label=torch.tensor([2]),
        ignore=torch.tensor([False]),
    )
    images = torch.randint(0, 256, (4, 3, 160, 320), dtype=torch.uint8)
    batch = BoxBatch(source_image=images, source_boxes=(boxes,) * 4, target_image=images)
    for _ in range(2):
        losses = method.step(batch.to(world.device))
        assert all(bool(loss.isfinite()) for loss in losses.values())
    network = method.engines[chosen.network]
    network.module.eval()
    found = task.score(network, _OneBatch(images, boxes), CITYSCAPES_BOXES_8, world)  # type: ignore[arg-type]
    return f"{found['detections']} boxes found in {found['images']} images"


class _OneBatch:
    """What an evaluation reads, without shards."""

    skipped, labelled = 0, True

    def __init__(self, images: torch.Tensor, boxes: Boxes) -> None:
        self._batch = BoxEvaluationBatch(
            image=images,
            sizes=((320, 160),) * len(images),
            boxes=(boxes,) * len(images),
            keys=tuple(map(str, range(len(images)))),
        )

    def __iter__(self) -> Iterator[BoxEvaluationBatch]:
        yield self._batch

    def require_little_damage(self, skipped: int) -> None:
        """There is none."""


def bf16(world: World) -> str:
    """bf16 follows fp32."""
    plain = _losses(world, engine__kind="local")
    return _within(_losses(world, engine__kind="local", engine__precision="bf16"), plain, 0.1)


def checkpointed(world: World) -> str:
    """Activations that are computed again, all or what is cheap, change nothing."""
    plain = _losses(world, engine__kind="local")
    saving = {"engine__kind": "local", "engine__activation_checkpointing": True}
    cheaply = _within(_losses(world, **saving, engine__recomputed="cheap"), plain, 1e-4)
    return f"{_within(_losses(world, **saving), plain, 1e-4)}; what is cheap: {cheaply}"


def compiled(world: World) -> str:
    """`torch.compile` changes nothing but the rounding."""
    plain = _losses(world, engine__kind="local")
    begun = time.perf_counter()
    found = _losses(world, engine__kind="local", engine__compile=True)
    seconds = time.perf_counter() - begun
    return f"{_within(found, plain, 1e-2)}, {STEPS} steps and compiling took {seconds:.0f} s"


def evaluation(world: World) -> str:
    """The paper's network at 1024x512, counted at 2048x1024, with its peak memory."""
    chosen = override(experiment("gta5_cityscapes_advent"), {"model.weights": None})
    segmenter: Any = build_segmenter(chosen.model, 19)  # type: ignore[arg-type]
    segmenter.to(world.device).eval()
    image = torch.randint(0, 256, (1, 3, 512, 1024), dtype=torch.uint8, device=world.device)
    label = torch.randint(0, 19, (1, 1024, 2048), dtype=torch.uint8, device=world.device)

    def once() -> None:
        with torch.no_grad():
            pixels = count(segmenter(image, (1024, 2048)).main, label).labels.confusion.sum()
        assert int(pixels) == label.numel()

    once()
    begun = time.perf_counter()
    once()
    said = f"{time.perf_counter() - begun:.2f} s an image"
    if world.device.type == "cuda":
        said += f", {torch.cuda.max_memory_allocated() / 1e9:.2f} GB"
    return said


def confusion(world: World) -> str:
    """The device counts as the CPU does."""
    random = torch.Generator().manual_seed(1)
    coarse = 4 * torch.randn(2, 19, 33, 65, generator=random)
    logits = F.interpolate(coarse, (256, 512), mode="bilinear", align_corners=True)
    label = torch.randint(0, 20, (2, 256, 512), generator=random, dtype=torch.uint8)
    label[label == 19] = 255
    ours = count(logits.to(world.device), label.to(world.device))
    theirs = count(logits, label)
    assert torch.equal(ours.labels.confusion.cpu(), theirs.labels.confusion)
    torch.testing.assert_close(ours.predictions.entropy.cpu(), theirs.predictions.entropy)
    return "equal confusion matrices"


def speed(world: World) -> str:
    """Images a second of the paper's setting: fp32, TF32, bf16, and that compiled."""
    said = []
    for name, tf32, precision, compile_ in (
        ("fp32", False, "fp32", False),
        ("TF32", True, "fp32", False),
        ("bf16", True, "bf16", False),
        ("bf16 compiled", True, "bf16", True),
    ):
        set_tf32(tf32)
        chosen = override(
            experiment("gta5_cityscapes_advent"),
            {
                "engine.kind": "local",
                "engine.precision": precision,
                "engine.compile": compile_,
                "model.weights": None,
                "optimizer.published_repeats": False,
            },
        )
        method = build_method(chosen, world, torch.full((19,), 1 / 19))
        seconds = _seconds_a_step(method, _full_batch().to(world.device))
        said.append(f"{name} {2 / seconds:.1f} images/s")
    return ", ".join(said)


def _seconds_a_step(method: Method[Any], batch: DomainBatch) -> float:
    for _ in range(3):
        method.step(batch)
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(10):
        method.step(batch)
    torch.cuda.synchronize()
    return (time.perf_counter() - begun) / 10


def mic(world: World) -> str:
    """A step of MIC in its published setting, in bf16: seconds, and peak memory."""
    changes = {"engine.kind": "local", "engine.precision": "bf16", "model.weights": None}
    chosen = override(experiment("gta5_cityscapes_mic"), changes)
    method = build_method(chosen, world, torch.full((19,), 1 / 19))
    images = torch.randint(0, 256, (2, 512, 512, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    label = torch.randint(0, 19, (2, 512, 512), dtype=torch.uint8)
    batch = DomainBatch(source_image=images, source_label=label, target_image=images)
    seconds = _seconds_a_step(method, batch.to(world.device))
    return f"{seconds:.2f} s a step, {torch.cuda.max_memory_allocated() / 1e9:.2f} GB"


def memory(world: World) -> str:
    """What DeepSpeed keeps between two steps of AdvEnt at each ZeRO stage, on one rank."""
    said = []
    for stage in range(4):
        chosen = override(
            experiment("gta5_cityscapes_advent"),
            {"engine.zero_stage": stage, "model.weights": None},
        )
        before = torch.cuda.memory_allocated()
        method = build_method(chosen, world, torch.full((19,), 1 / 19))
        batch = _full_batch().to(world.device)
        method.step(batch)
        kept = torch.cuda.memory_allocated() - before
        said.append(f"ZeRO {stage} {kept / 1e9:.2f} GB")
        del method, batch
        gc.collect()
    # fp32: a weight, its gradient and momentum.
    network = build_segmenter(chosen.model, 19)  # type: ignore[arg-type]
    expected = 12 * sum(p.numel() for p in network.parameters() if p.requires_grad)
    return f"{', '.join(said)}; the segmenter by formula {expected / 1e9:.2f} GB"


def _full_batch() -> DomainBatch:
    def pixels(*shape: int, below: int = 256) -> torch.Tensor:
        return torch.randint(0, below, shape, dtype=torch.uint8)

    return DomainBatch(
        source_image=pixels(1, 720, 1280, 3).permute(0, 3, 1, 2),
        source_label=pixels(1, 720, 1280, below=19),
        target_image=pixels(1, 512, 1024, 3).permute(0, 3, 1, 2),
    )


def product(world: World) -> str:
    """`advent-dist train` on Ray on streets, with a GPU for each worker or none; resume, export."""
    gpus = int(world.device.type == "cuda")
    from advent_dist.cli import run

    with tempfile.TemporaryDirectory() as folder:
        flags = {
            "data.root": Path(folder, "shards"),
            "run.storage": Path(folder, "runs"),
            "run.steps": 2,
            "model.weights": None,
            "cluster.workers": 1,
            "cluster.gpus-per-worker": gpus,
        }
        line = [f"--{name}={value}" for name, value in flags.items()]
        assert run(["train", "streets_advent", *line]) == 0
        trained = Path(folder, "runs", "streets_advent")
        config = str(trained / "config.json")
        assert run(["train", "--config", config, "--resume", "--run.steps=4"]) == 0
        assert run(["status", str(trained)]) == 0
        assert run(["export", str(trained), "--to", str(Path(folder, "exported")), "--torch"]) == 0
        exported = len(list(Path(folder, "exported").iterdir()))
    return f"{gpus} GPUs a worker, resumed, {exported} files exported"


CHECKS: dict[str, Callable[[World], str]] = {
    "fp32 as on the CPU": as_on_the_cpu,
    "ZeRO 0 to 3 as plain PyTorch": zero_stages,
    "bf16 follows fp32": bf16,
    "a detector trains and is scored": detector,
    "activation checkpointing changes nothing": checkpointed,
    "compiled as written": compiled,
    "counts as on the CPU": confusion,
    "evaluation at 2048x1024": evaluation,
    "the product on Ray": product,
    "speed at 1280x720 and 1024x512": speed,
    "a step of MIC at 512x512": mic,
    "memory at ZeRO 0 to 3": memory,
}


if __name__ == "__main__":
    main()
