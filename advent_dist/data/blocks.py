"""Blocks of shards -> the encoded files of their samples, checked against the manifest."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from webdataset.tariterators import group_by_keys, tar_file_expander

from advent_dist.data.assign import Portion
from advent_dist.data.manifest import Block, Manifest
from advent_dist.data.sample import IMAGE_PREFIX, LABEL
from advent_dist.data.store import Folder
from advent_dist.errors import DataError


class EncodedSample(NamedTuple):
    """A sample as its shard holds it."""

    key: str
    """Its name in the shard."""

    number: int
    """Its place in the data set, 0..num_samples-1, counted through all shards."""

    epoch: int
    """The epoch in which it is read."""

    where: str
    """Shard URL and key, for messages."""

    image: bytes
    """The image file."""

    label: bytes | None
    """The label file; None where labels are not read."""


class BlockReader:
    """Reads samples of one folder of shards.

    Args:
        folder: where the shards are.
        manifest: what they hold.
        labelled: whether to read labels; those of an unlabelled domain are skipped unread.
    """

    def __init__(self, folder: Folder, manifest: Manifest, *, labelled: bool) -> None:
        self._folder = folder
        self._labelled = labelled
        self._blocks = [(shard.name, block) for shard in manifest.shards for block in shard.blocks]
        self.sizes = tuple(block.num_samples for _, block in self._blocks)
        self._first = [sum(self.sizes[:place]) for place in range(len(self.sizes))]

    def samples(self, portions: Iterator[Portion]) -> Iterator[EncodedSample]:
        """The samples of all portions in order; the next portion is fetched in the background."""
        with ThreadPoolExecutor(1, "read-ahead") as thread:
            upcoming: Future[list[EncodedSample]] | None = None
            for portion in portions:
                current, upcoming = upcoming, thread.submit(self._read, portion)
                if current is not None:
                    yield from current.result()
            if upcoming is not None:
                yield from upcoming.result()

    def _read(self, portion: Portion) -> list[EncodedSample]:
        blocks = {place: self._parse(place) for place in sorted({p for p, _ in portion.picks})}
        return [
            self._encoded(blocks[place][index], place, index, portion.epoch)
            for place, index in portion.picks
        ]

    def _encoded(self, files: dict[str, Any], place: int, index: int, epoch: int) -> EncodedSample:
        key = files["__key__"]
        where = f"{self._folder.url}/{self._blocks[place][0]}: sample {key}"
        image = next((data for name, data in files.items() if name.startswith(IMAGE_PREFIX)), None)
        if image is None:
            raise DataError(f"{where} has no {IMAGE_PREFIX}*; build the shard again")
        if self._labelled and LABEL not in files:
            raise DataError(f"{where} has no {LABEL}; build the shards with labels")
        number = self._first[place] + index
        return EncodedSample(key, number, epoch, where, image, files.get(LABEL))

    def _parse(self, place: int) -> list[dict[str, Any]]:
        """The files of each sample of a block, as webdataset groups them."""
        name, block = self._blocks[place]
        # A block is a tar without the end mark, and tar readers take the end of the data for it.
        tar = {"url": name, "stream": io.BytesIO(self._fetch(name, block))}
        try:
            samples = list(group_by_keys(tar_file_expander([tar], select_files=self._wanted)))
        except (tarfile.TarError, ValueError) as error:
            raise DataError(_damaged(self._folder.url, name, block, str(error))) from error
        if len(samples) != block.num_samples:
            found = f"{len(samples)} samples instead of {block.num_samples}"
            raise DataError(_damaged(self._folder.url, name, block, found))
        return samples

    def _wanted(self, file_name: str) -> bool:
        return self._labelled or not file_name.endswith(f".{LABEL}")

    def _fetch(self, name: str, block: Block) -> bytes:
        # Read twice before it is called damaged: the network may have done it.
        for _ in range(2):
            data = self._folder.read_range(name, block.offset, block.offset + block.num_bytes)
            if zlib.crc32(data) == block.crc32:
                return data
        raise DataError(_damaged(self._folder.url, name, block, "its checksum is wrong"))


def _damaged(url: str, name: str, block: Block, how: str) -> str:
    stop = block.offset + block.num_bytes
    return (
        f"{url}/{name}: bytes {block.offset}-{stop} are damaged ({how}); rebuild or copy the shard "
        f"again"
    )
