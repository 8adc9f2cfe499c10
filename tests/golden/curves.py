"""The stored loss curves, which no refactoring may change; `make golden` rewrites them."""

from __future__ import annotations

import csv
from pathlib import Path

import torch

import tests.conftest  # noqa: F401  # before PyTorch computes: the instruction set
from advent_dist.config.override import override
from advent_dist.losses import poly_lr
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from tests.helpers import random_batch, tiny_experiment

FOLDER = Path(__file__).parent
STEPS = 6
METHODS: dict[str, dict[str, float]] = {
    "source_only": {},
    # Weights that a few steps feel.
    "minent": {"method.lambda_ent": 1.0, "method.lambda_ent_aux": 0.5, "method.lambda_prior": 1.0},
    "advent": {"method.lambda_adv": 1.0, "method.lambda_adv_aux": 0.5},
    "advent_minent": {
        "method.lambda_adv": 1.0,
        "method.lambda_adv_aux": 2e-4,
        "method.lambda_ent": 1.0,
        "method.lambda_ent_aux": 2e-4,
    },
}


def curve(method: str) -> list[dict[str, float]]:
    """The losses of each step of a tiny training."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    base = tiny_experiment(f"streets_{method}")
    rates = {"optimizer.segmenter_lr": 1e-2, "optimizer.discriminator_lr": 1e-2}
    experiment = override(base, {"engine.kind": "local", **rates, **METHODS[method]})
    trained = build_method(experiment, World(), torch.full((19,), 1 / 19))
    rows = []
    for step in range(STEPS):
        for engine in trained.engines.values():
            engine.set_lr_factor(poly_lr(1.0, step, STEPS, 0.9))
        metrics = trained.step(random_batch(step % 2))
        rows.append({name: round(value.item(), 5) for name, value in metrics.items()})
    torch.set_num_threads(threads)
    return rows


def read(method: str) -> list[dict[str, float]]:
    """The stored curve."""
    with (FOLDER / f"{method}.csv").open() as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def write(method: str, rows: list[dict[str, float]]) -> None:
    """Store a curve."""
    with (FOLDER / f"{method}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    for name in METHODS:
        write(name, curve(name))
