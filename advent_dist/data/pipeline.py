"""One domain: encoded samples -> decoded, checked, sized and augmented -> batches.

Phase (what) -> Order (which) -> BlockReader (bytes) -> decode, check -> resize, augment -> stack
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from advent_dist.config import AugmentConfig, Size
from advent_dist.data.assign import Order, augmentation_rng, in_file_order, part
from advent_dist.data.blocks import BlockReader, EncodedSample
from advent_dist.data.classes import ClassSet
from advent_dist.data.progress import Phase
from advent_dist.data.sample import check_label, decode_image, decode_label
from advent_dist.data.transforms import augment, resize_image


class Batch(NamedTuple):
    """Samples of one domain."""

    image: Tensor
    """uint8 [n, 3, h, w], RGB."""

    label: Tensor | None
    """uint8 [n, i, j]; None in a domain without labels."""

    keys: tuple[str, ...]
    """n keys."""


@dataclass(frozen=True, kw_only=True)
class TrainingPipeline:
    """The endless batches of one reader of one domain."""

    reader: BlockReader
    classes: ClassSet
    size: Size
    augment: AugmentConfig
    seed: int
    phase: Phase
    rank: int

    def batches(self, worker: int) -> Iterator[Batch]:
        """Batches of `phase.batch_size` from where the phase stands, shuffled and augmented."""
        order = Order(block_sizes=self.reader.sizes, seed=self.seed)
        ranges = self.phase.ranges(self.rank, worker)
        portions = (p for epoch, (a, b) in ranges for p in order.portions(epoch, a, b))
        samples = map(self._prepare, self.reader.samples(portions))
        while True:
            yield _stack([next(samples) for _ in range(self.phase.batch_size)])

    def _prepare(self, sample: EncodedSample) -> Batch:
        image, label = _decode(sample, self.classes)
        rng = augmentation_rng(self.seed, sample.epoch, sample.number)
        return Batch(*augment(image, label, self.size, self.augment, rng), (sample.key,))


@dataclass(frozen=True, kw_only=True)
class EvaluationPipeline:
    """A rank's part of a labelled data set, each sample once, unshuffled."""

    reader: BlockReader
    classes: ClassSet
    size: Size
    batch_size: int
    start: int
    stop: int

    def batches(self, worker: int, workers: int) -> Iterator[Batch]:
        """Batches of one of the rank's workers: images at `size`, labels at their own size.

        A batch has `batch_size` samples, fewer at the end and where label sizes differ.
        """
        # Workers share whole batches, so that together they make no more of them than one would.
        groups = -(-(self.stop - self.start) // self.batch_size)
        first, last = part(groups, worker, workers)
        start = self.start + first * self.batch_size
        stop = min(self.start + last * self.batch_size, self.stop)
        samples = self.reader.samples(in_file_order(self.reader.sizes, start, stop))
        group: list[Batch] = []
        for sample in map(self._prepare, samples):
            if group and (len(group) == self.batch_size or not _same_size(group[0], sample)):
                yield _stack(group)
                group = []
            group.append(sample)
        if group:
            yield _stack(group)

    def _prepare(self, sample: EncodedSample) -> Batch:
        image, label = _decode(sample, self.classes)
        return Batch(resize_image(image, self.size), label, (sample.key,))


def _decode(
    sample: EncodedSample, classes: ClassSet
) -> tuple[UInt8[Tensor, "3 h w"], UInt8[Tensor, "h w"] | None]:
    image = decode_image(sample.image, sample.where)
    if sample.label is None:
        return image, None
    label = decode_label(sample.label, sample.where)
    check_label(label, image, classes, sample.where)
    return image, label


def _same_size(one: Batch, other: Batch) -> bool:
    return one.label is None or other.label is None or one.label.shape == other.label.shape


def _stack(samples: Iterable[Batch]) -> Batch:
    images, labels, keys = zip(*samples, strict=True)
    return Batch(
        torch.stack(images),
        None if labels[0] is None else torch.stack(labels),
        tuple(key for (key,) in keys),
    )
