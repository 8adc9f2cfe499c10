"""Pictures for the reports: the first evaluation images, with what each run makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import torch

from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.evaluation.certainty import pixel_entropy
from advent_dist.pictures import panel, to_png
from advent_dist.report import Panel
from advent_dist.runs.judging_images import images_to_show
from advent_dist.runs.trained import TrainedRun, available_device


def draw_panels(
    runs: Mapping[str, TrainedRun], folder: str | None = None, number: int = 4
) -> list[Panel]:
    """One row of tiles an image: the image, its label if any, each run's prediction and entropy.

    Args:
        runs: Caption -> run; all of one task.
        folder: Shards to take the images from; none takes those that the first run was evaluated
            on.
        number: How many images.
    """
    first = next(iter(runs.values()))
    data = first.experiment.data
    loader: EvaluationLoader = images_to_show(data, folder)
    panels: list[Panel] = []
    for batch in islice(loader, number):
        size = (batch.label.shape[1], batch.label.shape[2])
        with torch.no_grad():
            images = batch.image.to(available_device())
            logits = {name: run.predictor(images, size).cpu() for name, run in runs.items()}
        for row, key in enumerate(batch.keys):
            picture = panel(
                batch.image[row].permute(1, 2, 0).numpy(),
                batch.label[row].numpy() if loader.labelled else None,
                {name: one[row].argmax(0).byte().numpy() for name, one in logits.items()},
                {name: pixel_entropy(one)[row].numpy() for name, one in logits.items()},
                first.classes.palette,
            )
            panels.append(Panel(caption=key, png=to_png(picture, title=key)))
    return panels[:number]
