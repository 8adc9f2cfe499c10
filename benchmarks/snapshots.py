"""Train a config in this process, and see at each evaluation what the network is worth."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.data.evaluation_loader import EvaluationLoader, target_images
from advent_dist.data.loader import TrainingLoader
from advent_dist.data.store import folder_url, read_manifest
from advent_dist.evaluation.counts import Counts, count, summarise
from advent_dist.evaluation.metrics import overlap
from advent_dist.methods.base import Method
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.training.loop import train
from advent_dist.training.progress import Progress, Scores

_CPU = torch.device("cpu")


def train_and_score(
    chosen: Experiment,
    labelled: Mapping[str, str],
    *,
    source_evaluation: str | None = None,
    most: Mapping[str, int] | None = None,
) -> list[dict[str, Any]]:
    """Train on one rank, and score each snapshot.

    Args:
        chosen: The whole config.
        labelled: Name -> shard folder of the images that judge.
        source_evaluation: Labelled source images that are not trained on, if there are.
        most: Name -> how many images of that folder, evenly spread; all of the others.

    Returns:
        Of each snapshot `step`; `seconds` of this process's CPU time that the steps before it took;
        `label_free`, what a run without target labels reports there; and of each folder its scores,
        with `intersection` and `union`, [images][C] pixels in the order of the shards.
    """
    data, world = chosen.data, World()
    manifest = read_manifest(folder_url(data, data.source), data)
    histogram = torch.tensor(manifest.class_histogram, dtype=torch.float32)
    classes = manifest.class_set
    assert classes is not None
    method = build_method(chosen, world, histogram / histogram.sum())
    segmenter = method.engines["segmenter"]
    progress, snapshots = Progress(selected_by="criterion/entropy"), []
    unlabelled = override(chosen, {"data.evaluation": None}).data
    spent, began = 0.0, time.process_time()

    def predict(image: Tensor, size: tuple[int, int]) -> Tensor:
        main: Tensor = segmenter(image, size).main
        return main

    def score(images: EvaluationLoader) -> dict[str, Any]:
        total = Counts.zeros(classes.num_classes, _CPU)
        overlaps: dict[str, list[list[int]]] = {"intersection": [], "union": []}
        with torch.no_grad():
            for batch in images:
                label = batch.label
                counts = count(predict(batch.image, (label.shape[1], label.shape[2])), label)
                total = total + counts
                for name, pixels in zip(overlaps, overlap(counts.labels.confusion), strict=True):
                    overlaps[name].append(pixels.tolist())
        return {**summarise(total, classes, labelled=images.labelled).to_json(), **overlaps}

    def scores() -> Scores:
        nonlocal spent, began
        spent += time.process_time() - began
        segmenter.module.eval()
        source = None
        if source_evaluation is not None:
            source = score(_images(chosen, source_evaluation, most, "source"))
        target = score(target_images(unlabelled, rank=0, world_size=1))
        found = Scores(step=progress.step, target=target, source=source)
        row = {"step": progress.step, "seconds": spent, "label_free": found.row()}
        for name, folder in labelled.items():
            row[name] = score(_images(chosen, folder, most, name))
        segmenter.module.train()
        snapshots.append(row)
        began = time.process_time()
        return found

    train_alone(chosen, method, progress, scores)
    return snapshots


def train_alone(
    chosen: Experiment, method: Method[Any], progress: Progress, evaluate: Callable[[], Scores]
) -> None:
    """Train on one rank, in this process; nothing is stored.

    Args:
        chosen: The whole config.
        method: What a step is.
        progress: How far it is; brought forward in place.
        evaluate: Called at each evaluation.
    """
    loader: TrainingLoader[Any] = TrainingLoader(
        chosen.data, rank=0, world_size=1, seed=chosen.run.seed
    )
    try:
        train(
            chosen,
            world=World(),
            method=method,
            batches=iter(loader),
            progress=progress,
            evaluate=evaluate,
            save=lambda progress: Path(),
            report=lambda row, checkpoint, progress: False,
        )
    finally:
        loader.close()


def _images(
    chosen: Experiment, folder: str, most: Mapping[str, int] | None, name: str
) -> EvaluationLoader:
    return EvaluationLoader(
        chosen.data, folder, rank=0, world_size=1, most=None if most is None else most.get(name)
    )
