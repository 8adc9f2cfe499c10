"""What a segmenter says of images that are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from typing_extensions import Self

from advent_dist.pictures import colourise
from advent_dist.runs.bands import bands_of
from advent_dist.runs.predict import as_input, segment
from advent_dist.runs.serving.answer import Answer, as_json, as_png
from advent_dist.runs.trained import TrainedRun


@dataclass(frozen=True, kw_only=True)
class SegmenterAnswers:
    """Masks of images, each at its own size, as `predict.Predictor` writes them; see `Answerer`."""

    run: TrainedRun
    """The segmenter, on `device`."""

    device: torch.device
    """Where it is."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """PNGs of train ids, colours and entropies (255 times the normalised one), or a summary."""
        return ("trainid", "colour", "entropy", "json")

    def to(self, device: torch.device) -> Self:
        """See `Answerer`."""
        self.run.segmenter.to(device)
        return replace(self, device=device)

    def answers(self, images: Sequence[Image.Image], kinds: Sequence[str]) -> list[Answer]:
        """See `Answerer`."""
        size = self.run.experiment.data.evaluation_size
        inputs = torch.cat([as_input(image, size) for image in images])
        with torch.no_grad():
            coarse = self.run.coarse(inputs.to(self.device))
        answers = []
        for number, (image, kind) in enumerate(zip(images, kinds, strict=True)):
            shape = (image.height, image.width)
            train_ids, entropy, mean = segment(bands_of([coarse.of_image(number)], shape), shape)
            if kind == "json":
                answers.append(as_json(self._summary(train_ids, mean)))
            elif kind == "colour":
                answers.append(as_png(colourise(train_ids, self.run.classes.palette)))
            else:
                answers.append(as_png(train_ids if kind == "trainid" else entropy))
        return answers

    def _summary(self, train_ids: np.ndarray, mean: float) -> dict[str, object]:
        names = self.run.classes.names
        counts = np.bincount(train_ids.ravel(), minlength=len(names)).tolist()
        return {
            "width": train_ids.shape[1],
            "height": train_ids.shape[0],
            "mean_entropy": round(mean, 4),
            "classes": [
                {"class": name, "train_id": number, "share": round(count / train_ids.size, 6)}
                for number, (name, count) in enumerate(zip(names, counts, strict=True))
            ],
        }
