"""Pictures for the reports: the first evaluation images, with what each detector finds in them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from advent_dist.data.classes import ClassSet
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.pictures import box_panel, draw_boxes, to_png
from advent_dist.report import Panel
from advent_dist.runs.detection.results import LEAST_SCORE
from advent_dist.runs.detection.trained import TrainedDetector
from advent_dist.runs.judging_images import images_to_show
from advent_dist.runs.trained import available_device
from advent_dist.types import Boxes, BoxEvaluationBatch, Detections


def draw_box_panels(
    runs: Mapping[str, TrainedDetector], folder: str | None = None, number: int = 4
) -> list[Panel]:
    """One row of tiles an image: with its own boxes, if it has some, and with those of each run.

    Args:
        runs: Caption -> run; all of one task.
        folder: Shards to take the images from; none takes those that the first run was evaluated
            on.
        number: How many images.
    """
    first = next(iter(runs.values()))
    data = first.experiment.data
    loader: EvaluationLoader[BoxEvaluationBatch] = images_to_show(data, folder)
    panels: list[Panel] = []
    for batch in islice(loader, number):
        images = batch.image.to(available_device())
        found = {name: run.find(images, batch.sizes) for name, run in runs.items()}
        for row, key in enumerate(batch.keys):
            image = _as_stored(batch.image[row], batch.sizes[row])
            tiles = [("image", image)]
            if batch.boxes is not None:
                tiles = [("label", _drawn(image, batch.boxes[row], first.classes))]
            for name, one in found.items():
                tiles.append((name, _drawn(image, one[row], first.classes)))
            panels.append(Panel(caption=key, png=to_png(box_panel(tiles), title=key)))
    return panels[:number]


def _as_stored(pixels: UInt8[Tensor, "3 h w"], size: tuple[int, int]) -> Image.Image:
    """The image at the size that its boxes are in pixels of."""
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).resize(size)


def _drawn(image: Image.Image, boxes: Boxes | Detections, classes: ClassSet) -> Image.Image:
    if isinstance(boxes, Detections):
        sure = boxes.score >= LEAST_SCORE
        scores = [f" {score:.2f}" for score in boxes.score[sure].tolist()]
    else:
        sure = torch.ones_like(boxes.ignore)
        scores = [" (ignored)" if ignored else "" for ignored in boxes.ignore.tolist()]
    labels = boxes.label[sure].tolist()
    captions = [
        f"{classes.names[label]}{score}" for label, score in zip(labels, scores, strict=True)
    ]
    colours = [classes.palette[label] for label in labels]
    return draw_boxes(image, boxes.xyxy[sure].tolist(), colours, captions)
