"""Models and labelled batches to numbers.

`evaluate` adds up `Counts` on the device, `Counts.all_reduce` adds those of all ranks, and
`summarise` turns them into an `Evaluation`. Only the last step reads anything back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float32, Float64, Int64, Integer, Shaped
from torch import Tensor

from advent_dist.config import Size
from advent_dist.data.classes import ClassSet
from advent_dist.errors import DataError, DivergedError
from advent_dist.evaluation.criteria import diversity, image_density, information_maximisation
from advent_dist.evaluation.metrics import auroc, boundary_mask, confusion_matrix, iou, mean_iou
from advent_dist.losses import self_information
from advent_dist.types import IGNORE_INDEX, LabelledBatch

Predictor = Callable[[Tensor, tuple[int, int]], Tensor]
"""(images [n, 3, h, w], (height, width)) -> fp32 logits [n, C, height, width] of the main head."""

ENTROPY_BINS = 1024
"""Bins of the entropy histograms, even in the fourth root of the entropy: a confident model's
pixels crowd near 0, and the AUROC, which only knows the order, must still tell them apart."""

BOUNDARY_RADIUS = 2
"""Pixels from a pixel of another class within which a pixel belongs to the boundary."""

LIVE_SHARE = 1e-4
"""A class is live if the model predicts it at more than this share of all pixels."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What an evaluation adds up over batches and ranks. All tensors are on the model's device."""

    confusion: Int64[Tensor, "c c"]
    """Labelled pixels; rows = label, columns = prediction."""

    predicted: Int64[Tensor, " c"]
    """Pixels, ignored ones too, that each class was predicted at."""

    correct: Int64[Tensor, " bins"]
    """Histogram of the entropy at correctly predicted labelled pixels."""

    wrong: Int64[Tensor, " bins"]
    """Histogram of the entropy at wrongly predicted labelled pixels."""

    entropy: Float64[Tensor, ""]
    """Sum of the entropy over all pixels, ignored ones too."""

    boundary_entropy: Float64[Tensor, ""]
    """Sum of the entropy over the pixels of `metrics.boundary_mask`."""

    boundary_pixels: Int64[Tensor, ""]
    """How many those are."""

    interior_entropy: Float64[Tensor, ""]
    """Sum of the entropy over the other labelled pixels."""

    interior_pixels: Int64[Tensor, ""]
    """How many those are."""

    probability: Float64[Tensor, " c"]
    """Sum of the predicted class distributions over all pixels, ignored ones too."""

    density: Float64[Tensor, ""]
    """Sum of the images' soft neighbourhood densities, in nats."""

    images: Int64[Tensor, ""]
    """How many images there are."""

    @classmethod
    def zeros(cls, num_classes: int, device: torch.device) -> Counts:
        """The counts of no pixel at all."""
        integers = partial(torch.zeros, dtype=torch.int64, device=device)
        real = partial(torch.zeros, dtype=torch.float64, device=device)
        return cls(
            confusion=integers((num_classes, num_classes)),
            predicted=integers(num_classes),
            correct=integers(ENTROPY_BINS),
            wrong=integers(ENTROPY_BINS),
            entropy=real(()),
            boundary_entropy=real(()),
            boundary_pixels=integers(()),
            interior_entropy=real(()),
            interior_pixels=integers(()),
            probability=real(num_classes),
            density=real(()),
            images=integers(()),
        )

    def _tensors(self) -> dict[str, Tensor]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __add__(self, other: Counts) -> Counts:
        theirs = other._tensors()
        return Counts(**{name: ours + theirs[name] for name, ours in self._tensors().items()})

    def all_reduce(self) -> Counts:
        """The sum over all ranks, in one collective; itself without torch.distributed."""
        if not (dist.is_available() and dist.is_initialized()):
            return self
        tensors = self._tensors()
        # float64 holds integers up to 2**53, far more pixels than any evaluation has.
        flat = torch.cat([tensor.flatten().double() for tensor in tensors.values()])
        dist.all_reduce(flat)
        parts = flat.split_with_sizes([tensor.numel() for tensor in tensors.values()])
        return Counts(
            **{
                name: part.reshape(tensor.shape).to(tensor.dtype)
                for part, (name, tensor) in zip(parts, tensors.items(), strict=True)
            }
        )


def pixel_entropy(logits: Float32[Tensor, "n c h w"]) -> Float32[Tensor, "n h w"]:
    """Normalised entropy of each pixel's class distribution, in 0..1 (ADVENT, eq. 1)."""
    return _entropy_map(logits.softmax(1))


def _entropy_map(probabilities: Float32[Tensor, "n c h w"]) -> Float32[Tensor, "n h w"]:
    return self_information(probabilities).sum(1).clamp(0, 1)


def count(logits: Float32[Tensor, "n c h w"], label: Integer[Tensor, "n h w"]) -> Counts:
    """The counts of one batch.

    Args:
        logits: fp32 [n, C, h, w], at the label's size.
        label: [n, h, w], train ids or 255, on the same device.

    Returns:
        Counts on that device.
    """
    num_classes = logits.shape[1]
    probabilities = logits.softmax(1)
    prediction, entropy = logits.argmax(1), _entropy_map(probabilities)
    labelled = label != IGNORE_INDEX
    boundary = boundary_mask(label, BOUNDARY_RADIUS)
    interior = labelled & ~boundary
    # What is not finite has to reach `summarise`, on all ranks, to be told there.
    finite = entropy.nan_to_num(1.0)
    bins = (finite.pow(0.25) * ENTROPY_BINS).long().clamp(max=ENTROPY_BINS - 1)
    # One histogram of [correct | wrong | ignored].
    bins = bins + ENTROPY_BINS * torch.where(labelled, (prediction != label).long(), 2)
    correct, wrong, _ = torch.bincount(bins.flatten(), minlength=3 * ENTROPY_BINS).chunk(3)
    return Counts(
        confusion=confusion_matrix(prediction, label, num_classes),
        predicted=torch.bincount(prediction.flatten(), minlength=num_classes),
        correct=correct,
        wrong=wrong,
        entropy=entropy.sum(dtype=torch.float64),
        boundary_entropy=(entropy * boundary).sum(dtype=torch.float64),
        boundary_pixels=boundary.sum(),
        interior_entropy=(entropy * interior).sum(dtype=torch.float64),
        interior_pixels=interior.sum(),
        probability=probabilities.sum((0, 2, 3), dtype=torch.float64),
        density=image_density(probabilities).sum(),
        images=torch.tensor(len(logits), device=logits.device),
    )


def evaluate(
    predictors: Sequence[Predictor],
    batches: Iterable[LabelledBatch],
    num_classes: int,
    device: torch.device,
    *,
    rounds: int | None = None,
    size: Size | None = None,
) -> Counts:
    """Add up the counts of all batches of this rank; the caller has put the models into eval mode.

    Several predictors make the paper's ensemble: the mean of their upsampled logits.

    Args:
        predictors: one or more models.
        batches: this rank's share of the labelled images.
        num_classes: C.
        device: where the models are.
        rounds: forwards to make at least, the same number on every rank. A sharded model (ZeRO-3)
            gathers its parameters in each forward, so a rank without a batch left must go on with
            the others: it repeats its last image, uncounted.
        size: width, height of the black image that a rank which never had a batch forwards
            instead; needed with `rounds`.

    Returns:
        Counts of this rank on `device`; see `Counts.all_reduce`.

    Raises:
        ValueError: there are more batches than `rounds`, or `rounds` comes without `size`.
    """
    total = Counts.zeros(num_classes, device)
    # Not inference_mode: ZeRO-3 keeps the parameters that it gathers for later training steps.
    with torch.no_grad():
        for image, label in _in_step(batches, rounds, size):
            shape = label.shape[-2:] if label is not None else image.shape[-2:]
            outputs = [predict(image.to(device), (shape[0], shape[1])) for predict in predictors]
            if label is not None:
                logits = torch.stack(outputs).mean(0) if len(outputs) > 1 else outputs[0]
                total = total + count(logits, label.to(device))
    return total


def _in_step(
    batches: Iterable[LabelledBatch], rounds: int | None, size: Size | None
) -> Iterator[tuple[Shaped[Tensor, "n 3 h w"], Tensor | None]]:
    """Images with their labels, then images without, until `rounds` were given out."""
    if rounds is not None and size is None:
        raise ValueError("evaluate(rounds=...) needs size, that of a rank's image without batches")
    width, height = size or (1, 1)
    image, done = torch.zeros(1, 3, height, width, dtype=torch.uint8), 0
    for done, batch in enumerate(batches, start=1):
        if rounds is not None and done > rounds:
            raise ValueError(f"this rank has more than rounds={rounds} batches; others would hang")
        image = batch.image[:1]
        yield batch.image, batch.label
    for _ in range(done, rounds or 0):
        yield image, None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The numbers of one evaluation. What can't be computed (a class that never occurs) is nan."""

    miou: float
    """Mean IoU over the classes that occur, in percent."""

    per_class: dict[str, float]
    """Class name -> IoU in percent."""

    subsets: dict[str, float]
    """Name of a class subset, such as "13" -> mean IoU in percent."""

    pixel_accuracy: float
    """Share of the labelled pixels that are predicted correctly, in percent."""

    mean_entropy: float
    """Mean normalised entropy of all pixels, in 0..1."""

    boundary_entropy: float
    """Mean entropy of the labelled pixels within 2 pixels of another class, in 0..1."""

    interior_entropy: float
    """Mean entropy of the other labelled pixels, in 0..1."""

    error_auroc: float
    """Area under the ROC curve of the entropy as a detector of wrong pixels, in 0..1."""

    information_maximisation: float
    """Entropy of the mean prediction less `mean_entropy`, in 0..1; needs no label, as the next two.
    """

    snd: float
    """Mean soft neighbourhood density of the images, in nats."""

    diversity: float
    """Normalised entropy of the mean prediction, in 0..1."""

    live_classes: int
    """Classes predicted at more than 0.01 % of all pixels; few of them = a collapse."""

    skipped_samples: int
    """Damaged samples that were left out."""

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values for json.dumps; nan, which JSON has not, becomes None."""
        return {name: _nan_to_none(value) for name, value in asdict(self).items()}


def _nan_to_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nan_to_none(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def summarise(counts: Counts, classes: ClassSet, skipped_samples: int = 0) -> Evaluation:
    """The numbers that counts stand for.

    Args:
        counts: sums over all batches and ranks.
        classes: names and subsets of the classes.
        skipped_samples: damaged samples that were left out of the counts, over all ranks.

    Returns:
        The evaluation.

    Raises:
        DivergedError: what was predicted is not finite.
        DataError: no pixel is labelled.
    """
    confusion, predicted = counts.confusion, counts.predicted
    if not counts.probability.isfinite().all():
        raise DivergedError(
            "the network's predictions are not finite: an update has made its weights so; lower "
            "the learning rates (optimizer.*) or the weights of the losses (method.*)"
        )
    if confusion.sum() == 0:
        raise DataError(
            "no pixel of the evaluation images has a label: are they built without labels, or "
            "with those of another class set? see data.evaluation, data.classes and "
            "advent-dist shards show"
        )
    mean_prediction = counts.probability / predicted.sum()
    mean_entropy = counts.entropy / predicted.sum()
    per_class = iou(confusion).tolist()
    return Evaluation(
        miou=mean_iou(confusion).item(),
        per_class=dict(zip(classes.names, per_class, strict=True)),
        subsets={
            name: mean_iou(confusion, subset).item() for name, subset in classes.subsets.items()
        },
        pixel_accuracy=(100 * confusion.trace() / confusion.sum()).item(),
        mean_entropy=mean_entropy.item(),
        boundary_entropy=(counts.boundary_entropy / counts.boundary_pixels).item(),
        interior_entropy=(counts.interior_entropy / counts.interior_pixels).item(),
        error_auroc=auroc(counts.wrong, counts.correct).item(),
        information_maximisation=information_maximisation(mean_prediction, mean_entropy).item(),
        snd=(counts.density / counts.images).item(),
        diversity=diversity(mean_prediction).item(),
        live_classes=int((predicted > LIVE_SHARE * predicted.sum()).sum()),
        skipped_samples=skipped_samples,
    )
