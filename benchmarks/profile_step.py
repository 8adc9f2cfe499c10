"""Where does a step's time go on a CPU?

    python benchmarks/profile_step.py [--scale 1] [--threads 1] [--json FILE]

One step of AdvEnt with the paper's network and both discriminators, one image of each domain,
480x270 and 384x192, plain engines, after one that is not looked at; by PyTorch's profiler, which
gives each operation the time that it takes itself. Backward passes count with their operations.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it sees its own folder alone

from advent_dist.parallel.world import World
from benchmarks.gpu_checks.published import method_of
from benchmarks.pipelines.step import Options as Sizes
from benchmarks.pipelines.step import batch_of
from benchmarks.record import keep

QUESTION = "Where does a step's time go on a CPU?"
RESULTS = Path(__file__).parent / "results" / "profile_step.json"
GROUPS = {
    "convolutions and their gradients": ("conv", "mkldnn_conv", "_slow_conv"),
    "BatchNorm": ("native_batch_norm", "batch_norm", "_batch_norm"),
    "upsampling, pooling": ("upsample", "_upsample", "max_pool", "avg_pool"),
    "losses and maps": ("_softmax", "_log_softmax", "nll_loss", "log", "exp", "binary_cross"),
    "optimisers": ("_foreach", "_fused"),
    "ReLU": ("relu", "leaky_relu", "clamp_min", "threshold"),
    "sums, products, copies": ("add", "mul", "copy", "sum", "fill", "zero", "div", "sub", "neg"),
}
"""How the name of an operation of PyTorch begins; the first that fits."""
REST = "all else"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which step, and where the result goes."""

    scale: float = 1.0
    """Factor of the images' sides."""

    threads: int = 1
    """Threads that compute; where several wait for each other, each operation's time has that."""

    json: Path | None = RESULTS
    """Where the result goes."""


def main() -> None:
    """Profile a step, and print its groups."""
    options = tyro.cli(Options)
    torch.set_num_threads(options.threads)
    sizes = Sizes(by=())
    source, target = (
        tuple(round(side * options.scale) for side in size)
        for size in (sizes.source_size, sizes.target_size)
    )
    batch = batch_of(Sizes(by=(), source_size=source, target_size=target), channels_last=True)  # type: ignore[arg-type]
    method = method_of(World(), "fp32", engine__kind="local")
    method.step(batch)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        method.step(batch)
    seconds: Counter[str] = Counter()
    for event in profiled.key_averages():
        seconds[group_of(event.key)] += event.self_cpu_time_total / 1e6
    total = seconds.total()
    rows = [
        {"group": group, "seconds": taken, "share": taken / total}
        for group, taken in seconds.most_common()
    ]
    ratios = {f"{group} / a step": taken / total for group, taken in seconds.items()}
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)
    print("| group | s | of the step |\n| --- | ---: | ---: |")
    for group, taken in seconds.most_common():
        print(f"| {group} | {taken:.3f} | {taken / total:.1%} |")


def group_of(operation: str) -> str:
    """The group of an operation by its name, as in aten::mkldnn_convolution."""
    _, _, name = operation.partition("aten::")
    return next((group for group, begins in GROUPS.items() if name.startswith(begins)), REST)


if __name__ == "__main__":
    main()
