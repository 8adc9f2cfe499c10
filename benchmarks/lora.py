"""What do adapters save, in memory and in checkpoints, over training all of an encoder or a part?

    python benchmarks/lora.py --weights vit_small_patch14_dinov2.safetensors [--json FILE]

DACS on DINOv2 ViT-S/14 with VFM-UDA's head by AdamW: two images of 322x238 of each domain, plain
engine. Each way is a process of its own on one core.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))

from advent_dist.config.override import override
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.experiments import experiment
from advent_dist.parallel.world import World
from advent_dist.training import checkpoint
from advent_dist.training.assembly import build_method
from advent_dist.training.progress import Progress
from advent_dist.types import DomainBatch
from benchmarks.memory import memory_mb
from benchmarks.record import keep

QUESTION = "What do adapters save over training an encoder?"
RESULTS = Path(__file__).parent / "results" / "lora.json"
WAYS: dict[str, dict[str, Any]] = {
    "all of it": {},
    "its last 4 blocks": {"model.trained_blocks": 4},
    "its last block": {"model.trained_blocks": 1},
    "the head alone": {"model.trained_blocks": 0},
    "adapters of rank 4": {"model.lora.rank": 4},
    "adapters of rank 8": {"model.lora.rank": 8},
    "adapters of rank 32": {"model.lora.rank": 32},
    "adapters of rank 8, of qkv": {"model.lora.rank": 8, "model.lora.targets": ("qkv",)},
    "all of it, activation checkpointing": {"engine.activation_checkpointing": True},
    "adapters of rank 8, activation checkpointing": {
        "model.lora.rank": 8,
        "engine.activation_checkpointing": True,
    },
}
VALUES = ("trained_m", "checkpoint_mb", "peak_mb")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which weights, and where the result goes."""

    weights: str
    """DINOv2 ViT-S/14 by timm's names; see `model.weights`."""

    json: Path | None = RESULTS
    """Where the result goes."""

    way: str | None = None
    """Measure this one alone, in this process."""


def main() -> None:
    """Measure all ways in turn and print the table."""
    options = tyro.cli(Options)
    if options.way is not None:
        sys.stdout.write(json.dumps(_measure(options.weights, WAYS[options.way])) + "\n")
        return
    rows: list[dict[str, Any]] = []
    for way in WAYS:
        rows.append({"trained": way} | _run(way, options.weights))
        sys.stderr.write(f"{rows[-1]}\n")
    whole = rows[0]
    ratios = {
        f"{value} of {row['trained']} / of all of it": row[value] / whole[value]
        for row in rows[1:]
        for value in VALUES
    }
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)
    print("| trained | parameters | checkpoint | memory of a step |\n| --- | ---: | ---: | ---: |")
    for row in rows:
        shares = " | ".join(f"{row[value] / whole[value]:.3g}" for value in VALUES)
        print(f"| {row['trained']} | {shares} |")


def _run(way: str, weights: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--weights", weights, "--way", way]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr}")
    line = next(line for line in done.stdout.splitlines() if line.startswith("{"))
    result: dict[str, float] = json.loads(line)
    return result


def _measure(weights: str, changes: dict[str, Any], steps: int = 3) -> dict[str, float]:
    """Millions of trained parameters, MB of a checkpoint, and MB that a step takes at most.

    Memory is all that training takes: weights, teacher, gradients, optimiser states, activations.
    """
    torch.set_num_threads(1)
    if any("lora" in path for path in changes):
        import peft  # noqa: F401  # what it takes itself does not count
    chosen = override(
        experiment("camvid_day_dusk_dacs"),
        {
            "engine.kind": "local",
            "model.encoder": "vit_small_patch14_dinov2",
            "model.weights": weights,
            "model.decoder": "upscaling",
            "model.multi_level": False,
            "optimizer.segmenter": "adamw",
            **changes,
        },
    )
    before = memory_mb("VmRSS")
    method = build_method(chosen, World(), torch.full((11,), 1 / 11))
    method.step(_batch(0))
    Path("/proc/self/clear_refs").write_text("5")  # peaks count from here
    for step in range(1, steps + 1):
        method.step(_batch(step))
    peak = memory_mb("VmHWM") - before
    trained = sum(
        p.numel() for p in method.engines["segmenter"].module.parameters() if p.requires_grad
    )
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(
            Path(folder),
            experiment=chosen,
            classes=CAMVID_11,
            world=World(),
            method=method,
            progress=Progress(step=steps),
            streams={},
        )
        stored = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return {"trained_m": trained / 1e6, "checkpoint_mb": stored / 1e6, "peak_mb": peak}


def _batch(seed: int) -> DomainBatch:
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2, 2, 3, 238, 322), generator=random, dtype=torch.uint8)
    labels = torch.randint(0, 11, (2, 34, 46), generator=random, dtype=torch.uint8)
    labels = labels.repeat_interleave(7, 1).repeat_interleave(7, 2)
    return DomainBatch(source_image=images[0], source_label=labels, target_image=images[1])


if __name__ == "__main__":
    main()
