"""Models and batches to numbers.

`evaluate` adds up `Counts` on the device, `Counts.all_reduce` adds those of all ranks, and
`summarise` turns them into an `Evaluation`. Only the last step reads anything back. Each of the
three is put together of two: `unlabelled`, which looks at predictions alone, and `labelled`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float32, Integer, Shaped
from torch import Tensor

from advent_dist.config import Size
from advent_dist.data.classes import ClassSet
from advent_dist.evaluation.certainty import certainty_of
from advent_dist.evaluation.in_step import in_step
from advent_dist.evaluation.labelled import BOUNDARY_RADIUS, Accuracy, LabelSums, accuracy_of
from advent_dist.evaluation.metrics import boundary_mask, require_train_ids
from advent_dist.evaluation.unlabelled import Criteria, PredictionSums, criteria_of
from advent_dist.parallel.tf32 import full_matrix_products
from advent_dist.types import EvaluationBatch

_BAND_LOGITS = 2**20
"""Of the rows that a CPU counts at a time, 4 MB: they fit into a cache, however many classes."""

_GPU_BAND_LOGITS = 2**27
"""Of those that a GPU does, 512 MB: images as a whole, and little of its memory."""

Predictor = Callable[[Tensor, tuple[int, int]], Tensor]
"""(images [n, 3, h, w], (height, width)) -> fp32 logits [n, C, height, width] of the main head."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What an evaluation adds up over batches and ranks."""

    predictions: PredictionSums
    """Over all pixels."""

    labels: LabelSums
    """Over those that have a label."""

    @classmethod
    def zeros(cls, num_classes: int, device: torch.device) -> Counts:
        """The counts of no pixel at all."""
        return cls(
            predictions=PredictionSums.zeros(num_classes, device),
            labels=LabelSums.zeros(num_classes, device),
        )

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            predictions=self.predictions + other.predictions, labels=self.labels + other.labels
        )

    def all_reduce(self) -> Counts:
        """The sum over all ranks, the same on each; itself without torch.distributed."""
        return Counts(predictions=self.predictions.all_reduce(), labels=self.labels.all_reduce())


@full_matrix_products()
def count(logits: Float32[Tensor, "n c h w"], label: Integer[Tensor, "n h w"]) -> Counts:
    """The counts of one batch.

    Args:
        logits: fp32 [n, C, h, w], at the label's size.
        label: [n, h, w], train ids or 255, on the same device; 255 alone where there is no label.

    Returns:
        Counts on that device.
    """
    boundary = boundary_mask(label, BOUNDARY_RADIUS)
    most = _BAND_LOGITS if logits.is_cpu else _GPU_BAND_LOGITS
    rows = max(1, most * logits.shape[2] // logits.numel())
    total = Counts(
        predictions=PredictionSums.of_images(logits),
        labels=LabelSums.zeros(logits.shape[1], logits.device),
    )
    for start in range(0, logits.shape[2], rows):
        band = slice(start, start + rows)
        certainty = certainty_of(logits[:, :, band])
        total = total + Counts(
            predictions=PredictionSums.of_pixels(certainty),
            labels=LabelSums.of(certainty, label[:, band], boundary[:, band]),
        )
    return total


def evaluate(
    predictors: Sequence[Predictor],
    batches: Iterable[EvaluationBatch],
    num_classes: int,
    device: torch.device,
    *,
    any_left: Callable[[bool], bool] | None = None,
    size: Size | None = None,
) -> Counts:
    """Add up the counts of all batches of this rank; the caller has put the models into eval mode.

    Several predictors make the paper's ensemble: the mean of their upsampled logits.

    Args:
        predictors: one or more models.
        batches: this rank's share of the images.
        num_classes: C.
        device: where the models are.
        any_left: says whether any rank has a batch left, told whether this one has; collective. A
            sharded model (ZeRO-3) gathers its parameters in each forward, so a rank without a
            batch left must go on with the others: it repeats its last image, uncounted. None is for
            models that each rank has whole.
        size: width, height of the black image that a rank which never had a batch forwards
            instead; needed with `any_left`.

    Returns:
        Counts of this rank on `device`; see `Counts.all_reduce`.

    Raises:
        ValueError: `any_left` comes without `size`.
        DataError: a label is of no class.
    """
    total = Counts.zeros(num_classes, device)
    # Not inference_mode: ZeRO-3 keeps the parameters that it gathers for later training steps.
    with torch.no_grad():
        for image, batch in in_step(batches, any_left, size):
            shape = image.shape[-2:] if batch is None else batch.label.shape[-2:]
            image = image.to(device, non_blocking=True)
            logits = mean_logits(predictors, image, (shape[0], shape[1]))
            if batch is not None:
                require_train_ids(batch.label, num_classes)
                total = total + count(logits, batch.label.to(device, non_blocking=True))
    return total


def mean_logits(
    predictors: Sequence[Predictor], images: Shaped[Tensor, "n 3 h w"], size: tuple[int, int]
) -> Float32[Tensor, "n c i j"]:
    """Those of one model, or of the ensemble of several, at a size."""
    outputs = [predict(images, size) for predict in predictors]
    return torch.stack(outputs).mean(0) if len(outputs) > 1 else outputs[0]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The numbers of one evaluation."""

    criteria: Criteria
    """What the predictions say by themselves."""

    accuracy: Accuracy | None
    """What the labels say of them; None of images without labels."""

    skipped_samples: int
    """Damaged samples that were left out."""

    def to_json(self) -> dict[str, Any]:
        """All numbers side by side, for json.dumps; nan, which JSON has not, becomes None."""
        accuracy = {} if self.accuracy is None else asdict(self.accuracy)
        numbers = {**accuracy, **asdict(self.criteria), "skipped_samples": self.skipped_samples}
        return {name: nan_to_none(value) for name, value in numbers.items()}


def nan_to_none(value: Any) -> Any:
    """A number, or numbers by name, as JSON can have them."""
    if isinstance(value, dict):
        return {key: nan_to_none(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def summarise(
    counts: Counts, classes: ClassSet, skipped_samples: int = 0, *, labelled: bool = True
) -> Evaluation:
    """The numbers that counts stand for.

    Args:
        counts: sums over all batches and ranks.
        classes: names and subsets of the classes.
        skipped_samples: damaged samples that were left out of the counts, over all ranks.
        labelled: whether the images have labels.

    Returns:
        The evaluation.

    Raises:
        DivergedError: what was predicted is not finite.
        DataError: no pixel is labelled, where some should be.
    """
    return Evaluation(
        criteria=criteria_of(counts.predictions),
        accuracy=accuracy_of(counts.labels, classes) if labelled else None,
        skipped_samples=skipped_samples,
    )
