"""The source's half of a detector's step."""

from __future__ import annotations

from torch import Tensor

from advent_dist.methods.levels import weighted
from advent_dist.models.detection.output import DetectorOutput
from advent_dist.multibox import multibox_losses
from advent_dist.parallel.engine import Engine
from advent_dist.types import BoxBatch


def fit_source(
    detector: Engine, batch: BoxBatch, config: object, *, more: bool
) -> tuple[DetectorOutput, dict[str, Tensor]]:
    """SSD's loss on the source images: forward and backward pass.

    Args:
        detector: The network.
        batch: The micro-batch.
        config: The method's, with the weights.
        more: Whether a loss on the target follows.

    Returns:
        The output, whose graph is freed, and the losses by name.
    """
    output: DetectorOutput = detector(batch.source_image)
    classes, boxes = multibox_losses(
        output.class_logits, output.box_regression, output.anchors, batch.source_boxes
    )
    losses = {"class": classes, "box": boxes}
    detector.backward(weighted(losses, config), more=more)
    return output, losses
