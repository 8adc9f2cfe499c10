"""What does an evaluation cost beside the network?

    python benchmarks/evaluate.py [--rounds 7] [--json FILE]

One image of Cityscapes, 2048x1024, from full-size logits to counts: in the published way, argmax
and a histogram of pairs in numpy, and in ours, for the mIoU alone and for all signals. One thread,
in turn; ratios are medians over the rounds.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it sees its own folder alone

from advent_dist.evaluation.counts import count
from advent_dist.evaluation.metrics import confusion_matrix
from benchmarks.interleaved import cpu_seconds, ratio
from benchmarks.memory import peak_mb
from benchmarks.record import keep

QUESTION = "What does an evaluation cost beside the network?"
RESULTS = Path(__file__).parent / "results" / "evaluate.json"
PUBLISHED, MIOU, ALL = "published: argmax, histogram", "ours, mIoU alone", "ours, all signals"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How often, and where the result goes."""

    rounds: int = 7
    """Times that each way is taken."""

    many_classes: int = 150
    """Classes of a second data set, for the memory."""

    json: Path | None = RESULTS
    """Where the result goes."""


def main() -> None:
    """Measure, compare the confusion matrices, and print the tables."""
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    logits, label = scene(19)
    ways = {
        PUBLISHED: lambda: published(logits, label),
        MIOU: lambda: confusion_matrix(logits.max(1).indices, label, 19),
        ALL: lambda: count(logits, label),
    }
    found = [ways[PUBLISHED](), ways[MIOU](), ways[ALL]().labels.confusion]  # type: ignore[attr-defined]
    if not all(np.array_equal(one, found[0]) for one in found):
        raise SystemExit("the confusion matrices differ")
    taken = cpu_seconds(ways, options.rounds)
    memory = {name: peak_mb(way) for name, way in ways.items()}
    rows: list[dict[str, Any]] = [
        {"way": name, "seconds": statistics.median(taken[name]), "peak_mb": memory[name]}
        for name in ways
    ]
    many = scene(options.many_classes)
    more = peak_mb(lambda: count(*many))
    rows.append({"way": f"{ALL}, {options.many_classes} classes", "peak_mb": more})
    ratios = {
        "counting, mIoU alone / published": ratio(taken, MIOU, PUBLISHED),
        "counting, all signals / published": ratio(taken, ALL, PUBLISHED),
        "memory, mIoU alone / published": memory[MIOU] / memory[PUBLISHED],
        "memory, all signals / published": memory[ALL] / memory[PUBLISHED],
        f"memory, all signals, {options.many_classes} / 19 classes": more / memory[ALL],
    }
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)
    print("| way | s an image | MB beside the logits |\n| --- | ---: | ---: |")
    for row in rows:
        seconds = f"{row['seconds']:.3f}" if "seconds" in row else ""
        print(f"| {row['way']} | {seconds} | {row['peak_mb']:.0f} |")
    print("\n| ratio | |\n| --- | ---: |")
    for name, value in ratios.items():
        print(f"| {name} | {value:.2f} |")


def scene(num_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits as they come from a head, upsampled, and a label with some ignored pixels."""
    random = torch.Generator().manual_seed(1)
    coarse = 4 * torch.randn(1, num_classes, 65, 129, generator=random)
    logits = F.interpolate(coarse, (1024, 2048), mode="bilinear", align_corners=True)
    label = torch.randint(0, num_classes, (1, 128, 256), generator=random, dtype=torch.uint8)
    label = label.repeat_interleave(8, 1).repeat_interleave(8, 2)
    label[:, 900:] = 255
    return logits, label


def published(logits: torch.Tensor, label: torch.Tensor) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The confusion matrix as the published code counts it."""
    num_classes = logits.shape[1]
    prediction = np.argmax(logits.numpy()[0].transpose(1, 2, 0), axis=2).flatten()
    truth = label.numpy().flatten()
    counts = (truth >= 0) & (truth < num_classes)
    pairs = num_classes * truth[counts].astype(int) + prediction[counts]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


if __name__ == "__main__":
    main()
