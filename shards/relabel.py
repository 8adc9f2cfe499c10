"""Samples of shards that are there, with other labels, or fewer of them, as shards of their own.

Images are copied as they are encoded.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from advent_dist.config import DataConfig
from advent_dist.data.assign import in_file_order
from advent_dist.data.blocks import BlockReader, DamagedSample, EncodedSample
from advent_dist.data.classes import ClassSet
from advent_dist.data.manifest import Manifest
from advent_dist.data.opening import open_shards
from advent_dist.data.sample import ImageFormat, decode_image, encode_label
from advent_dist.data.store import folder_url
from advent_dist.errors import DamageError, DataError
from shards.dataset import Pixels
from shards.encode import Encoded, Encoder
from shards.options import BuildOptions
from shards.write import build

Label = Callable[[UInt8[Tensor, "3 h w"]], npt.NDArray[np.uint8]]
"""An image -> its label, uint8 [h, w], train ids or 255."""


class Samples:
    """The images of a folder of shards, in order.

    Args:
        data: how it is read.
        folder: absolute, or relative to `data.root`.

    Raises:
        DataError: no shards are there.
    """

    manifest: Manifest
    """What they say."""

    url: str
    """Where they lie."""

    stamp: int
    """Changes when any of them does: the manifest has their checksums."""

    def __init__(self, data: DataConfig, folder: str) -> None:
        self.url = folder_url(data, folder).rstrip("/")
        self.manifest, decoder = open_shards(data, folder, labelled=False, training=False)
        self.stamp = zlib.crc32(self.manifest.to_json().encode())
        self._reader: BlockReader = decoder.reader
        self._keys: dict[int, str] = {}

    def __len__(self) -> int:
        return self.manifest.num_samples

    def of(self, numbers: Sequence[int]) -> Iterator[EncodedSample]:
        """Those with these numbers, ascending.

        Raises:
            DamageError: one can't be read; there is no label for it then.
        """
        for sample in self._reader.samples(in_file_order(self._reader.sizes, numbers)):
            if isinstance(sample, DamagedSample):
                raise DamageError(f"{sample.why}; build the shards again")
            self._keys[sample.number] = sample.key
            yield sample

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """What they are called; only what has not been looked at yet is read."""
        for _ in self.of([number for number in numbers if number not in self._keys]):
            pass
        return [self._keys[number] for number in numbers]

    def images(self) -> Iterator[UInt8[Tensor, "3 h w"]]:
        """All of them, decoded."""
        return (decoded(sample) for sample in self.of(range(len(self))))


def decoded(sample: EncodedSample) -> UInt8[Tensor, "3 h w"]:
    """A sample's image.

    Raises:
        DamageError: it can't be read.
    """
    return decode_image(sample.image, sample.where)


def relabel(
    samples: Samples,
    numbers: Sequence[int],
    destination: str,
    *,
    by: str,
    classes: ClassSet,
    label: Label | None,
    overwrite: bool = False,
) -> Manifest:
    """Write the shards, and last of all their manifest; see `write.build`.

    Args:
        samples: Where the images come from.
        numbers: Which of them, ascending.
        destination: Local folder or s3:// URL.
        by: What labels, and how, for the manifest; where it is the same, a call goes on where
            another one was interrupted.
        classes: Of the labels.
        label: Makes them; none writes images alone.
        overwrite: Replace the shards that are there.

    Raises:
        DataError: shards are there, or an image can't be read.
    """
    first = next(samples.of(numbers[:1]), None)
    if first is None:
        raise DataError(f"{samples.url}: none of its images is left for {destination}")
    reader = _Relabelled(
        of=samples.manifest.dataset, by=by, samples=samples, numbers=numbers, classes=classes
    )
    options = BuildOptions(
        unlabelled=label is None, shuffle=False, overwrite=overwrite, format=_format(first.image)
    )

    def encode(encoder: Encoder, items: Sequence[_Item]) -> Iterator[Encoded]:
        for sample in samples.of([item.number for item in items]):
            yield _encoded(sample, label, encoder.num_classes)

    return build(reader, destination, options, encode)  # type: ignore[arg-type]


def _encoded(sample: EncodedSample, label: Label | None, num_classes: int) -> Encoded:
    image = bytes(sample.image)
    if label is None:
        return Encoded(sample.key, image, None, ())
    made = label(decoded(sample))
    counts = np.bincount(made.ravel(), minlength=256)[:num_classes]
    return Encoded(sample.key, image, encode_label(made), tuple(counts.tolist()))


def _format(image: memoryview) -> ImageFormat:
    """What an encoded image is: what a shard of ours holds is one of these."""
    with Image.open(io.BytesIO(image), formats=("JPEG", "PNG", "WEBP")) as opened:
        formats: dict[str | None, ImageFormat] = {"JPEG": "jpg", "PNG": "png"}
        return formats.get(opened.format, "webp")


@dataclass(frozen=True, kw_only=True)
class _Item:
    """A sample by its number."""

    key: str
    where: str
    number: int
    stamp: tuple[int, ...]

    def load(self, labelled: bool) -> tuple[Pixels, Pixels | None]:
        raise AssertionError("it is encoded as it is")


@dataclass(frozen=True, kw_only=True)
class _Relabelled:
    """What the builder calls a data set."""

    name: ClassVar[str] = "relabelled"
    of: str
    by: str
    samples: Samples = field(repr=False)
    numbers: Sequence[int] = field(repr=False)
    classes: ClassSet = field(repr=False)

    def items(self, labelled: bool) -> Sequence[_Item]:
        """See `Reader.items`; the keys are those of the samples."""
        return [
            _Item(
                key=key,
                where=f"{self.samples.url}: sample {key}",
                number=number,
                stamp=(self.samples.stamp,),
            )
            for key, number in zip(self.samples.keys(self.numbers), self.numbers, strict=True)
        ]
