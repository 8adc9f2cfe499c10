"""What a segmenter, or the ensemble of several, says of images that are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from typing_extensions import Self

from advent_dist.data.classes import ClassSet
from advent_dist.pictures import colourise, overlay
from advent_dist.runs.bands import bands_of
from advent_dist.runs.predict import as_input, segment
from advent_dist.runs.serving.answer import Answer, as_json, as_png
from advent_dist.runs.trained import TrainedRun


@dataclass(frozen=True, kw_only=True)
class SegmenterAnswers:
    """Masks of images, each at its own size, as `predict.Predictor` writes them; see `Answerer`."""

    runs: tuple[TrainedRun, ...]
    """The segmenters, on `device`; several are averaged, logits by logits."""

    device: torch.device
    """Where they are."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """PNGs of train ids, colours, these over the image, entropies (times 255); or a summary."""
        return ("trainid", "colour", "overlay", "entropy", "json")

    def to(self, device: torch.device) -> Self:
        """See `Answerer`."""
        for run in self.runs:
            run.segmenter.to(device)
        return replace(self, device=device)

    def answers(self, images: Sequence[Image.Image], kinds: Sequence[str]) -> list[Answer]:
        """See `Answerer`."""
        size = self.runs[0].experiment.data.evaluation_size
        inputs = torch.cat([as_input(image, size) for image in images]).to(self.device)
        with torch.no_grad():
            coarse = [run.coarse(inputs) for run in self.runs]
        answers = []
        for number, (image, kind) in enumerate(zip(images, kinds, strict=True)):
            shape = (image.height, image.width)
            of_image = [one.of_image(number) for one in coarse]
            train_ids, entropy, mean = segment(bands_of(of_image, shape), shape)
            if kind == "json":
                answers.append(as_json(self._summary(train_ids, mean)))
            elif kind in ("colour", "overlay"):
                picture = colourise(train_ids, self._classes.palette)
                if kind == "overlay":
                    picture = overlay(np.asarray(image), picture)
                answers.append(as_png(picture))
            else:
                answers.append(as_png(train_ids if kind == "trainid" else entropy))
        return answers

    @property
    def _classes(self) -> ClassSet:
        return self.runs[0].classes

    def _summary(self, train_ids: np.ndarray, mean: float) -> dict[str, object]:
        names = self._classes.names
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
