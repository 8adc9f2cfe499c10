"""A detector and batches to numbers.

`evaluate_boxes` keeps what each image's average precision needs and adds up what criteria need;
`BoxCounts.gather` puts all ranks' together, and `summarise_boxes` turns them into numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advent_dist.config import Size
from advent_dist.data.classes import ClassSet
from advent_dist.errors import DataError
from advent_dist.evaluation.counts import nan_to_none
from advent_dist.evaluation.detection.anchors import (
    AnchorCriteria,
    AnchorSums,
    criteria_of_anchors,
)
from advent_dist.evaluation.detection.coco import coco_scores
from advent_dist.evaluation.detection.records import ImageRecord, Records, gathered
from advent_dist.evaluation.detection.voc import voc_average_precision
from advent_dist.evaluation.in_step import in_step
from advent_dist.models.detection.output import DetectorOutput
from advent_dist.parallel.world import World
from advent_dist.types import BoxEvaluationBatch, Detections

Look = Callable[[Tensor], DetectorOutput]
"""Images uint8 [n, 3, h, w] -> what a detector says of them."""

Decode = Callable[[DetectorOutput, Sequence[tuple[int, int]]], list[Detections]]
"""That and the images' sizes as they were stored -> boxes; see `Detector.decode`."""


@dataclass(frozen=True, kw_only=True)
class BoxCounts:
    """What an evaluation keeps."""

    records: Records
    """Of each image."""

    anchors: AnchorSums
    """Over all anchors that see an object."""

    def gather(self, world: World) -> BoxCounts:
        """Those of all ranks, the same on each; every image once. Collective."""
        return BoxCounts(records=gathered(self.records, world), anchors=self.anchors.all_reduce())


def evaluate_boxes(
    look: Look,
    decode: Decode,
    batches: Iterable[BoxEvaluationBatch],
    num_classes: int,
    device: torch.device,
    *,
    any_left: Callable[[bool], bool] | None = None,
    size: Size | None = None,
) -> BoxCounts:
    """Go through all batches of this rank; the caller has put the detector into eval mode.

    Args:
        look: the detector, or its engine.
        decode: the detector's.
        batches: this rank's share of the images.
        num_classes: C.
        device: where the detector is.
        any_left: see `counts.evaluate`.
        size: see `counts.evaluate`.

    Returns:
        This rank's; see `BoxCounts.gather`.
    """
    records: list[ImageRecord] = []
    anchors = AnchorSums.zeros(num_classes, device)
    # Not inference_mode: ZeRO-3 keeps the parameters that it gathers for later training steps.
    with torch.no_grad():
        for image, batch in in_step(batches, any_left, size):
            output = look(image.to(device, non_blocking=True))
            if batch is None:
                continue
            anchors = anchors + AnchorSums.of(output.class_logits)
            found = decode(output, batch.sizes)
            true = [None] * len(found) if batch.boxes is None else batch.boxes
            records += map(ImageRecord.of, batch.keys, found, true)
    return BoxCounts(records=records, anchors=anchors)


@dataclass(frozen=True, kw_only=True)
class BoxAccuracy:
    """What true boxes say of those that were found, in percent."""

    map: float
    """COCO's AP: mean over the classes and IoUs of 0.5, 0.55, ..., 0.95."""

    map50: float
    """The same at an IoU of 0.5."""

    map75: float
    """The same at an IoU of 0.75."""

    voc_ap50: float
    """Mean over the classes of VOC's AP at an IoU of 0.5."""

    per_class: dict[str, float]
    """Class name -> COCO's AP at an IoU of 0.5; nan of classes that no box that counts is of."""

    boxes: int
    """True boxes that count."""


def accuracy_of_boxes(records: Records, classes: ClassSet) -> BoxAccuracy:
    """The accuracy over all images.

    Raises:
        DataError: no box counts.
    """
    boxes = sum(int((~record.ignore).sum()) for record in records)
    if not boxes:
        raise DataError(
            f"none of {len(records)} evaluated images has a box that counts; give images with "
            "boxes to data.evaluation, or leave their boxes out"
        )
    coco = coco_scores(records, classes.num_classes)
    voc = voc_average_precision(records, classes.num_classes)
    return BoxAccuracy(
        map=coco.average,
        map50=coco.at_50,
        map75=coco.at_75,
        voc_ap50=float(np.nanmean(voc)),
        per_class=dict(zip(classes.names, coco.per_class, strict=True)),
        boxes=boxes,
    )


@dataclass(frozen=True, kw_only=True)
class BoxEvaluation:
    """The numbers of one evaluation."""

    criteria: AnchorCriteria
    """What the predictions say by themselves."""

    accuracy: BoxAccuracy | None
    """What true boxes say of them; None of images without."""

    images: int
    """How many were looked at."""

    detections: int
    """Boxes that were found."""

    skipped_samples: int
    """Damaged samples that were left out."""

    def to_json(self) -> dict[str, Any]:
        """All numbers side by side, for json.dumps; nan, which JSON has not, becomes None."""
        accuracy = {} if self.accuracy is None else asdict(self.accuracy)
        numbers = {
            **accuracy,
            **asdict(self.criteria),
            "images": self.images,
            "detections": self.detections,
            "skipped_samples": self.skipped_samples,
        }
        return {name: nan_to_none(value) for name, value in numbers.items()}


def summarise_boxes(
    counts: BoxCounts, classes: ClassSet, skipped_samples: int = 0, *, labelled: bool = True
) -> BoxEvaluation:
    """The numbers that counts stand for.

    Args:
        counts: of all ranks.
        classes: names of the classes.
        skipped_samples: damaged samples that were left out of the counts, over all ranks.
        labelled: whether the images have boxes.

    Raises:
        DivergedError: what was predicted is not finite.
        DataError: no box counts, where some should.
    """
    return BoxEvaluation(
        criteria=criteria_of_anchors(counts.anchors),
        accuracy=accuracy_of_boxes(counts.records, classes) if labelled else None,
        images=len(counts.records),
        detections=sum(len(record.score) for record in counts.records),
        skipped_samples=skipped_samples,
    )
