"""Check shards against their manifest: structure, checksums, and every image and label."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from webdataset.tariterators import group_by_keys, tar_file_expander

from advent_dist.data.classes import class_set
from advent_dist.data.manifest import Block, Manifest, Shard
from advent_dist.data.sample import (
    IMAGE_PREFIX,
    LABEL,
    check_label,
    decode_image,
    decode_label,
)
from advent_dist.data.store import Folder, open_folder, read_manifest
from advent_dist.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What `verify` found."""

    url: str
    """The folder of shards."""

    num_shards: int
    """Shards in the manifest."""

    num_samples: int
    """Samples in the manifest."""

    num_bytes: int
    """Bytes in the manifest."""

    problems: tuple[str, ...]
    """One message a problem; none if all is well."""


@dataclass
class _Findings:
    """What one shard was found to hold."""

    histogram: npt.NDArray[np.int64]
    keys: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def verify(url: str) -> Verdict:
    """Read and check all shards of a folder.

    Args:
        url: Local folder or s3:// URL.

    Raises:
        DataError: there is no manifest, or the folder can't be reached.
        ConfigError: the manifest names an unknown class set.
    """
    folder, manifest = open_folder(url), read_manifest(url)
    num_classes = class_set(manifest.classes).num_classes
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        findings = list(
            threads.map(lambda shard: _check_shard(folder, manifest, shard), manifest.shards)
        )
    problems = [problem for found in findings for problem in found.problems]
    problems += _surplus(folder, manifest)
    keys = [key for found in findings for key in found.keys]
    problems += [f"{folder.url}: the key {key} occurs twice" for key in _repeated(keys)]
    histogram = sum((found.histogram for found in findings), np.zeros(num_classes, np.int64))
    recorded = list(manifest.class_histogram)
    if not problems and manifest.labelled and histogram.tolist() != recorded:
        problems.append(f"{folder.url}: the manifest's class_histogram is not that of the labels")
    return Verdict(
        url=folder.url,
        num_shards=len(manifest.shards),
        num_samples=manifest.num_samples,
        num_bytes=manifest.num_bytes,
        problems=tuple(problems),
    )


def _repeated(keys: list[str]) -> list[str]:
    seen: set[str] = set()
    return [key for key in keys if key in seen or seen.add(key)]  # type: ignore[func-returns-value]


def _surplus(folder: Folder, manifest: Manifest) -> Iterator[str]:
    known = {shard.name for shard in manifest.shards}
    for name in folder.list():
        if name.endswith(".tar") and name not in known:
            yield f"{folder.url}/{name}: it is not in the manifest; delete it, or build again"


def _check_shard(folder: Folder, manifest: Manifest, shard: Shard) -> _Findings:
    where = f"{folder.url}/{shard.name}"
    found = _Findings(np.zeros(len(manifest.class_names), np.int64))
    try:
        data = folder.read(shard.name)
    except UserError as error:
        found.problems.append(str(error))
        return found
    if len(data) != shard.num_bytes:
        found.problems.append(f"{where}: it has {len(data)} bytes instead of {shard.num_bytes}")
    elif hashlib.sha256(data).hexdigest() != shard.sha256:
        found.problems.append(f"{where}: its sha256 is not that of the manifest")
    found.problems += _check_layout(where, shard)
    for block in shard.blocks:
        _check_block(where, data, block, manifest, found)
    return found


def _check_layout(where: str, shard: Shard) -> Iterator[str]:
    end = 0
    for block in shard.blocks:
        if block.offset != end or block.num_bytes % tarfile.BLOCKSIZE:
            yield f"{where}: the manifest's block at byte {block.offset} does not follow byte {end}"
        end = block.offset + block.num_bytes
    if sum(block.num_samples for block in shard.blocks) != shard.num_samples:
        yield f"{where}: its blocks do not add up to {shard.num_samples} samples"


def _check_block(
    where: str, data: bytes, block: Block, manifest: Manifest, found: _Findings
) -> None:
    part = data[block.offset : block.offset + block.num_bytes]
    place = f"{where}: bytes {block.offset}-{block.offset + block.num_bytes}"
    if zlib.crc32(part) != block.crc32:
        found.problems.append(f"{place}: their checksum is not that of the manifest")
        return
    try:
        samples = list(
            group_by_keys(tar_file_expander([{"url": where, "stream": io.BytesIO(part)}]))
        )
    except (tarfile.TarError, ValueError) as error:
        found.problems.append(f"{place}: they are no tar of samples ({error})")
        return
    if len(samples) != block.num_samples:
        found.problems.append(f"{place}: {len(samples)} samples instead of {block.num_samples}")
    for sample in samples:
        found.keys.append(sample["__key__"])
        try:
            found.histogram += _check_sample(
                f"{where}: sample {sample['__key__']}", sample, manifest
            )
        except UserError as error:
            found.problems.append(str(error))


def _check_sample(
    where: str, sample: dict[str, bytes], manifest: Manifest
) -> npt.NDArray[np.int64]:
    classes = class_set(manifest.classes)
    images = [name for name in sample if name.startswith(IMAGE_PREFIX)]
    if len(images) != 1:
        raise UserError(f"{where}: it has {len(images)} images instead of one")
    image = decode_image(sample[images[0]], where)
    if (LABEL in sample) != manifest.labelled:
        has = "has a label" if LABEL in sample else "has no label"
        raise UserError(f"{where}: it {has}, but the manifest says labelled={manifest.labelled}")
    if not manifest.labelled:
        return np.zeros(classes.num_classes, np.int64)
    label = decode_label(sample[LABEL], where)
    check_label(label, image, classes, where)
    counts = np.bincount(label.numpy().ravel(), minlength=256)[: classes.num_classes]
    return counts.astype(np.int64)
