"""One shard in the making: a WebDataset tar whose bytes depend on its samples alone."""

from __future__ import annotations

import hashlib
import io
import zlib

from webdataset import TarWriter

from advent_dist.data.box_file import BOXES
from advent_dist.data.class_pixels import to_text
from advent_dist.data.manifest import Block, Shard
from advent_dist.data.sample import IMAGE_PREFIX, LABEL, ImageFormat
from shards.encode import Encoded

_BLOCK_BYTES = 4 * 2**20
_BLOCK_SAMPLES = 32


class ShardTar:
    """A tar in memory that grows by samples and notes where its blocks begin."""

    def __init__(self, image_format: ImageFormat) -> None:
        self._image_name = f"{IMAGE_PREFIX}{image_format}"
        self._file = io.BytesIO()
        # Fixed owner, mode and time: an equal build gives equal bytes.
        self._tar = TarWriter(
            self._file, user="root", group="root", mode=0o644, mtime=0, encoder=False
        )
        self._starts = [0]
        self._counts = [0]
        self._class_pixels: list[list[str]] = [[]]

    @property
    def num_bytes(self) -> int:
        """Bytes of the samples so far."""
        return int(self._tar.tarstream.offset)

    @property
    def num_samples(self) -> int:
        """Samples so far."""
        return sum(self._counts)

    def add(self, sample: Encoded) -> None:
        """Append a sample; a block that is full is closed before it."""
        full = self.num_bytes - self._starts[-1] >= _BLOCK_BYTES
        if full or self._counts[-1] == _BLOCK_SAMPLES:
            self._starts.append(self.num_bytes)
            self._counts.append(0)
            self._class_pixels.append([])
        files: dict[str, str | bytes] = {"__key__": sample.key, self._image_name: sample.image}
        if sample.label is not None:
            files[LABEL] = sample.label
        if sample.boxes is not None:
            files[BOXES] = sample.boxes
        self._tar.write(files)
        self._counts[-1] += 1
        if sample.label is not None:
            self._class_pixels[-1].append(to_text(sample.histogram))

    def finish(self, name: str) -> tuple[bytes, Shard]:
        """Close the tar.

        Args:
            name: File name of the shard.

        Returns:
            The file's bytes, and its entry for the manifest.
        """
        starts, stops = self._starts, [*self._starts[1:], self.num_bytes]
        self._tar.close()
        data = self._file.getvalue()
        view = memoryview(data)
        blocks = tuple(
            Block(
                offset=start,
                num_bytes=stop - start,
                num_samples=count,
                crc32=zlib.crc32(view[start:stop]),
                sha256=hashlib.sha256(view[start:stop]).hexdigest(),
                class_pixels=tuple(pixels) or None,
            )
            for start, stop, count, pixels in zip(
                starts, stops, self._counts, self._class_pixels, strict=True
            )
        )
        shard = Shard(
            name=name,
            num_bytes=len(data),
            num_samples=self.num_samples,
            sha256=hashlib.sha256(data).hexdigest(),
            blocks=blocks,
        )
        return data, shard
