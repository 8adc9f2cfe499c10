"""Images of shards, by the keys of their samples."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from advent_dist.data.assign import in_file_order
from advent_dist.data.blocks import BlockReader, DamagedSample
from advent_dist.data.fetch import BlockSource
from advent_dist.data.manifest import Manifest
from advent_dist.data.sample import decode_image
from advent_dist.data.store import open_folder, read_manifest
from advent_dist.data.traffic import Tally
from advent_dist.errors import DamageError, DataError


@dataclass(frozen=True, kw_only=True)
class ShardImages:
    """See `images.Images`; labels are not read."""

    url: str
    """The folder of the shards."""

    stamps: Mapping[str, tuple[int, ...]]
    """Key -> checksum of the manifest, which has those of all shards, and the sample's number."""

    def each(self, names: Sequence[str]) -> Iterator[Image.Image | DataError]:
        """Block by block; see `images.Images`."""
        reader = _reader(self.url, read_manifest(self.url))
        numbers = [self.stamps[name][1] for name in names]
        for sample in reader.samples(in_file_order(reader.sizes, numbers)):
            if isinstance(sample, DamagedSample):
                yield DataError(sample.why)
                continue
            try:
                pixels = decode_image(sample.image, sample.where)
                yield Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
            except DamageError as error:
                yield error


def open_shard_images(url: str) -> ShardImages:
    """All images of a folder of shards. Their keys are in the shards alone, which are read for it.

    Raises:
        DataError: no shards are there, or a block of theirs is damaged.
    """
    manifest = read_manifest(url)
    stamp = zlib.crc32(manifest.to_json().encode())
    reader = _reader(url, manifest)
    stamps = {}
    for sample in reader.samples(in_file_order(reader.sizes, range(reader.num_samples))):
        if isinstance(sample, DamagedSample):
            raise DataError(f"{sample.why}; build the shards again")
        stamps[sample.key] = (stamp, sample.number)
    return ShardImages(url=url, stamps=stamps)


def _reader(url: str, manifest: Manifest) -> BlockReader:
    source = BlockSource(open_folder(url), manifest, None, Tally())
    return BlockReader(source, labelled=False, members=manifest.members)
