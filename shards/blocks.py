"""Blocks of finished shards -> the files of their samples, for tools that look at shards.

Only one block is held at a time: blocks have a few MiB, whatever the size of a shard.
"""

from __future__ import annotations

import hashlib
import zlib

from advent_dist.data.blocks import names_of
from advent_dist.data.box_file import BOXES
from advent_dist.data.manifest import Block, Manifest, Shard
from advent_dist.data.members import Files, MemberError, samples_in
from advent_dist.data.sample import IMAGE_PREFIX, LABEL
from advent_dist.data.store import Folder
from advent_dist.errors import DataError

_MEND = "; copy the shard again, or build it again"


def read_block(folder: Folder, shard: Shard, block: Block) -> bytes:
    """The bytes of a block, by one ranged read.

    Raises:
        DataError: they can't be read, or there are fewer.
    """
    return bytes(folder.read_range(shard.name, block.offset, block.offset + block.num_bytes))


def samples_of(data: bytes, block: Block, where: str) -> list[tuple[str, Files]]:
    """Key and files of each sample of a block.

    Args:
        data: Its bytes.
        block: What the manifest says of it.
        where: URL of its shard, for messages.

    Raises:
        DataError: it is damaged, or holds another number of samples.
    """
    place = f"{where}: bytes {block.offset}-{block.offset + block.num_bytes}"
    is_named_so = block.sha256 in (None, hashlib.sha256(data).hexdigest())
    if zlib.crc32(data) != block.crc32 or not is_named_so:
        raise DataError(f"{place}: their checksum is not that of the manifest{_MEND}")
    try:
        samples = samples_in(data)
    except MemberError as error:
        raise DataError(f"{place}: they are no tar of samples ({error}){_MEND}") from error
    if len(samples) != block.num_samples:
        raise DataError(f"{place}: {len(samples)} samples instead of {block.num_samples}{_MEND}")
    return samples


def files_of(sample: Files, where: str, manifest: Manifest) -> tuple[memoryview, memoryview | None]:
    """Image and label of a sample, still encoded.

    Args:
        sample: Its files.
        where: What messages call it.
        manifest: Which files these are, and whether there is a label.

    Raises:
        DataError: it has not one image, or a label against what the manifest says.
    """
    labelled = manifest.labelled
    if manifest.members is not None:
        image_name, label_name = names_of(sample, manifest.members)
        missing = {image_name, *([label_name] if labelled else [])} - {*sample}
        if missing:
            raise DataError(f"{where}: it has no {', '.join(sorted(missing))}")
        return sample[image_name], sample[label_name] if labelled else None
    images = [name for name in sample if name.startswith(IMAGE_PREFIX)]
    if len(images) != 1:
        raise DataError(f"{where}: it has {len(images)} images instead of one")
    if (LABEL in sample) != labelled:
        has = "has a label" if LABEL in sample else "has no label"
        raise DataError(f"{where}: it {has}, but the manifest says labelled={labelled}")
    return sample[images[0]], sample.get(LABEL)


def boxes_of(sample: Files, where: str, manifest: Manifest) -> memoryview | None:
    """The file of a sample's boxes.

    Args:
        sample: Its files.
        where: What messages call it.
        manifest: Whether there is one.

    Raises:
        DataError: there is one, or none, against what the manifest says.
    """
    if manifest.members is not None:
        return None
    if (BOXES in sample) != (manifest.boxes is not None):
        has, says = ("has", "none") if BOXES in sample else ("has no", "some")
        raise DataError(f"{where}: it {has} {BOXES}, but the manifest says that there are {says}")
    return sample.get(BOXES)
