"""What a detector says of images that are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from typing_extensions import Self

from advent_dist.runs.detection.results import LEAST_SCORE, boxes_tree, drawn_boxes
from advent_dist.runs.detection.trained import TrainedDetector
from advent_dist.runs.predict import as_input
from advent_dist.runs.serving.answer import Answer, as_json, as_png


@dataclass(frozen=True, kw_only=True)
class DetectorAnswers:
    """Boxes of images, in their pixels, as `predict` writes them; see `Answerer`."""

    run: TrainedDetector
    """The detector, on `device`."""

    device: torch.device
    """Where it is."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """All boxes, or a PNG of the image with those drawn that are likely."""
        return ("json", "picture")

    def to(self, device: torch.device) -> Self:
        """See `Answerer`."""
        self.run.detector.to(device)
        return replace(self, device=device)

    def answers(self, images: Sequence[Image.Image], kinds: Sequence[str]) -> list[Answer]:
        """See `Answerer`."""
        size = self.run.experiment.data.evaluation_size
        inputs = torch.cat([as_input(image, size) for image in images]).to(self.device)
        found = self.run.find(inputs, [(image.width, image.height) for image in images])
        return [
            as_json(boxes_tree(image, boxes, self.run.classes))
            if kind == "json"
            else as_png(drawn_boxes(image, boxes, self.run.classes, LEAST_SCORE))
            for image, boxes, kind in zip(
                images, (one.to(torch.device("cpu")) for one in found), kinds, strict=True
            )
        ]
