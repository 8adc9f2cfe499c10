"""One domain: encoded samples -> decoded, checked, sized and augmented -> batches.

Phase (what) -> Order (which) -> BlockReader (bytes) -> decode, check -> resize, augment -> buffer
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from advent_dist.config import AugmentConfig, Labels, Size
from advent_dist.data.assign import Order, augmentation_rng, in_file_order, part
from advent_dist.data.blocks import BlockReader, DamagedSample, EncodedSample
from advent_dist.data.box_arrays import BoxArrays
from advent_dist.data.box_file import check_boxes, decode_boxes
from advent_dist.data.classes import ClassSet
from advent_dist.data.damage import DamageLimit
from advent_dist.data.label_format import decode_train_ids
from advent_dist.data.label_map import LabelMap
from advent_dist.data.progress import Phase
from advent_dist.data.rare import RareOrder
from advent_dist.data.resizing import resize_image
from advent_dist.data.sample import check_label, decode_image
from advent_dist.data.slots import BatchShape, Buffer
from advent_dist.data.traffic import Tally, Traffic
from advent_dist.data.transforms import Label, augment, size_of
from advent_dist.errors import DamageError
from advent_dist.types import IGNORE_INDEX


class Written(NamedTuple):
    """A batch in its buffer."""

    buffer: Buffer
    keys: tuple[str, ...]
    traffic: Traffic

    boxes: tuple[BoxArrays, ...] | None = None
    """Those of each sample, whose number varies: they travel beside the buffer."""

    sizes: tuple[Size, ...] = ()
    """Width, height in pixels of each sample's image as it was stored, in evaluations of boxes."""


class Decoded(NamedTuple):
    """A sample's pixels, and what is known of them."""

    key: str
    image: UInt8[Tensor, "3 h w"]
    label: Label | None


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Encoded samples -> checked pixels and labels."""

    reader: BlockReader
    classes: ClassSet | None
    label_map: LabelMap | None
    damage: DamageLimit
    tally: Tally
    labels: Labels = "pixels"

    def decode(
        self, sample: EncodedSample | DamagedSample, out: UInt8[Tensor, "h w 3"] | None = None
    ) -> Decoded:
        """One sample; its image lies in `out` if it has that size.

        Raises:
            DamageError: the sample, or the block that held it, is damaged.
            DataError: its label does not fit the image or the class set.
        """
        if isinstance(sample, DamagedSample):
            raise DamageError(sample.why)
        image = decode_image(sample.image, sample.where, out)
        if sample.label is None:
            return Decoded(sample.key, image, None)
        assert self.classes is not None, "a manifest of labelled samples has classes"
        if self.labels == "boxes":
            boxes = decode_boxes(sample.label, sample.where)
            check_boxes(boxes, size_of(image), self.classes, sample.where)
            return Decoded(sample.key, image, boxes)
        label = decode_train_ids(sample.label, sample.where, self.label_map)
        check_label(label, image, self.classes, sample.where)
        return Decoded(sample.key, image, label)


@dataclass(frozen=True, kw_only=True)
class TrainingPipeline:
    """The endless batches of one reader of one domain."""

    decoder: Decoder
    labelled: bool
    size: Size
    augment: AugmentConfig
    seed: int
    phase: Phase
    rank: int
    order: Order | RareOrder

    @property
    def shape(self) -> BatchShape | None:
        """What a batch has to hold; None where images vary in size."""
        low, high = self.augment.scale
        if self.augment.crop is None and low != high:
            return None
        width, height = self.augment.crop or (max(round(side * low), 1) for side in self.size)
        mapped = self.labelled and self.decoder.labels == "pixels"
        return BatchShape(self.phase.batch_size, width, height, mapped)

    def batches(
        self, worker: int, take_buffer: Callable[[], Buffer] | None = None
    ) -> Iterator[Written]:
        """Batches of `phase.batch_size` from where the phase stands, shuffled and augmented.

        Args:
            worker: which of the rank's readers this is.
            take_buffer: gives memory of `shape` for the next batch; none takes new memory.
        """
        reader = self.decoder.reader
        ranges = self.phase.ranges(self.rank, worker)
        portions = (p for epoch, (a, b) in ranges for p in self.order.portions(epoch, a, b))
        samples = reader.samples(portions)
        if self.shape is None:
            take_buffer = _no_buffer
        elif take_buffer is None:
            take_buffer = self.shape.allocate
        while True:
            buffer = take_buffer()
            keys, boxes = [], []
            for row in range(self.phase.batch_size):
                key, of_sample, buffer = self._write(next(samples), buffer, row)
                keys.append(key)
                boxes += [of_sample] if of_sample is not None else []
            traffic = self.decoder.tally.take()
            yield Written(buffer, tuple(keys), traffic, tuple(boxes) if boxes else None)

    def _write(
        self, sample: EncodedSample | DamagedSample, buffer: Buffer, row: int
    ) -> tuple[str, BoxArrays | None, Buffer]:
        """Write a sample, or where it is damaged the next whole one of its folder."""
        try:
            return self._write_one(sample, buffer, row)
        except DamageError as error:
            self.decoder.damage.skipped(sample.number, error)
        # The place in the batch is not lost: or positions would depend on the damage.
        reader = self.decoder.reader
        for step in range(1, reader.num_samples):
            number = (sample.number + step) % reader.num_samples
            with contextlib.suppress(DamageError):
                other = reader.sample(number, sample.epoch)._replace(drawn=sample.drawn)
                return self._write_one(other, buffer, row)
        raise DamageError("all samples are damaged; build the shards again")

    def _write_one(
        self, sample: EncodedSample | DamagedSample, buffer: Buffer, row: int
    ) -> tuple[str, BoxArrays | None, Buffer]:
        out = buffer.image[row] if len(buffer.image) else None
        key, image, label = self.decoder.decode(sample, out)
        # A sample that may come several times an epoch is changed by its position.
        place, wanted = (sample.number, None) if sample.drawn is None else sample.drawn
        rng = augmentation_rng(self.seed, sample.epoch, place)
        image, label = augment(image, label, self.size, self.augment, rng, wanted)
        boxes, mapped = (label, None) if isinstance(label, BoxArrays) else (None, label)
        if out is None:
            pixels = image.permute(1, 2, 0)[None]
            return key, boxes, Buffer(pixels, None if mapped is None else mapped[None])
        if image.data_ptr() != out.data_ptr():
            out.copy_(image.permute(1, 2, 0))
        if mapped is not None and buffer.label is not None:
            buffer.label[row].copy_(mapped)
        return key, boxes, buffer


def _no_buffer() -> Buffer:
    """For one image of any size."""
    return Buffer(torch.empty(0), None)


class _Evaluated(NamedTuple):
    """A sample of an evaluation: the image resized, what is known of it not."""

    key: str
    image: UInt8[Tensor, "3 h w"]
    size: Size
    label: Label | None


@dataclass(frozen=True, kw_only=True)
class EvaluationPipeline:
    """A rank's part of a data set, each sample once, unshuffled."""

    decoder: Decoder
    size: Size
    batch_size: int
    numbers: Sequence[int]

    def batches(self, worker: int, workers: int) -> Iterator[Written]:
        """Batches of one of the rank's workers: images at `size`, labels at their own size.

        An image without a label has one in which no pixel has a class: its size is the image's own.
        A batch has `batch_size` samples, fewer at the end and where label maps differ in size.
        Where nothing is left at the end, the last batch is empty: what was skipped is counted with
        it.
        """
        # Workers share whole batches, so that together they make no more of them than one would.
        groups = -(-len(self.numbers) // self.batch_size)
        first, last = part(groups, worker, workers)
        numbers = self.numbers[first * self.batch_size : last * self.batch_size]
        reader = self.decoder.reader
        mapped = self.decoder.labels == "pixels"
        group: list[_Evaluated] = []
        for encoded in reader.samples(in_file_order(reader.sizes, numbers)):
            try:
                key, image, label = self.decoder.decode(encoded)
            except DamageError as error:
                self.decoder.damage.skipped(encoded.number, error)
                continue
            if label is None and mapped:
                label = torch.full(image.shape[1:], IGNORE_INDEX, dtype=torch.uint8)
            sample = _Evaluated(key, resize_image(image, self.size), size_of(image), label)
            other_size = mapped and bool(group) and group[0].size != sample.size
            if len(group) == self.batch_size or other_size:
                yield self._written(group)
                group = []
            group.append(sample)
        yield self._written(group) if group else self._empty()

    def _written(self, group: list[_Evaluated]) -> Written:
        keys, images, sizes, labels = zip(*group, strict=True)
        pixels = torch.stack([image.permute(1, 2, 0) for image in images])
        traffic = self.decoder.tally.take()
        if self.decoder.labels == "boxes":
            boxes = None if labels[0] is None else labels
            return Written(Buffer(pixels, None), keys, traffic, boxes, sizes)
        return Written(Buffer(pixels, torch.stack(labels)), keys, traffic)

    def _empty(self) -> Written:
        """A batch without samples."""
        pixels = torch.empty(0, 0, 0, 3, dtype=torch.uint8)
        return Written(Buffer(pixels, pixels[..., 0]), (), self.decoder.tally.take())
