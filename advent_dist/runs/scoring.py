"""Trained runs on shards, labelled or not, to numbers."""

from __future__ import annotations

from dataclasses import replace

from advent_dist.config import Size
from advent_dist.data.evaluation_loader import target_images
from advent_dist.evaluation.counts import Evaluation, evaluate, summarise
from advent_dist.runs.classes import require_agreement
from advent_dist.runs.trained import available_device, load_runs


def score(
    urls: list[str],
    which: str,
    folder: str | None = None,
    window: Size | None = None,
    stride: Size | None = None,
) -> Evaluation:
    """Evaluate one run or the ensemble of several.

    Args:
        urls: Run folders.
        which: `last` or `best` checkpoint.
        folder: Shards; none takes the images that the first run was evaluated on.
        window: See `load_runs`, as for `stride`.
        stride: Of the windows.

    Raises:
        ConfigError: no such window or stride can be.
        DamageError: more samples were skipped than `data.max_damaged_fraction` allows.
    """
    device = available_device()
    runs = load_runs(urls, which, device, window, stride)
    data = runs[0].experiment.data
    if folder is not None:
        # Relative to where the command runs, as every path on a command line.
        data = replace(data, root=folder, evaluation="")
    loader = target_images(data, rank=0, world_size=1, pinned=device.type == "cuda")
    require_agreement(runs[0].classes, urls[0], loader.manifest.class_set, loader.url)
    counts = evaluate([run.predictor for run in runs], loader, runs[0].classes.num_classes, device)
    loader.require_little_damage(loader.skipped)
    return summarise(counts, runs[0].classes, loader.skipped, labelled=loader.labelled)
