"""Check shards against their manifest: structure, checksums, and every image, label and box.

Shards are read block by block, so that memory does not grow with their size.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from advent_dist.data.box_file import check_boxes, count_boxes, decode_boxes
from advent_dist.data.box_manifest import lacking_boxes
from advent_dist.data.class_pixels import to_text
from advent_dist.data.class_sets import NAMES, class_set
from advent_dist.data.label_format import decode_train_ids
from advent_dist.data.manifest import Block, Manifest, Shard, lacking
from advent_dist.data.members import Files
from advent_dist.data.sample import check_label, decode_image
from advent_dist.data.store import Folder, open_folder, read_manifest
from advent_dist.errors import UserError
from shards.blocks import boxes_of, files_of, read_block, samples_of


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

    warnings: tuple[str, ...] = ()
    """One message for each thing that may be meant to be so: classes without a pixel or a box."""


@dataclass
class _Findings:
    """What one shard was found to hold."""

    histogram: npt.NDArray[np.int64]
    box_counts: npt.NDArray[np.int64]
    keys: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def verify(url: str) -> Verdict:
    """Read and check all shards of a folder.

    Args:
        url: Local folder or s3:// URL.

    Raises:
        DataError: there is no manifest, or the folder can't be reached.
    """
    folder, manifest = open_folder(url), read_manifest(url)
    num_classes = len(manifest.class_names)
    num_box_classes = len(manifest.boxes.class_names) if manifest.boxes else 0
    console = Console(stderr=True)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        checked = threads.map(lambda shard: _check_shard(folder, manifest, shard), manifest.shards)
        findings = list(
            track(
                checked,
                escape(folder.url),
                total=len(manifest.shards),
                console=console,
                disable=not console.is_terminal,
            )
        )
    problems = [problem for found in findings for problem in found.problems]
    problems += [
        f"{folder.url}: the manifest's class_names are not those of {known.name}"
        for known in (manifest.class_set, manifest.classes_of("boxes"))
        if known and known.name in NAMES and known.names != class_set(known.name).names
    ]
    problems += _surplus(folder, manifest)
    # Tars of other tools may number their samples anew in each.
    keys = [key for found in findings for key in found.keys] if manifest.members is None else []
    problems += [f"{folder.url}: the key {key} occurs twice" for key in _repeated(keys)]
    histogram = sum((found.histogram for found in findings), np.zeros(num_classes, np.int64))
    recorded = list(manifest.class_histogram)
    if not problems and manifest.labelled and histogram.tolist() != recorded:
        problems.append(f"{folder.url}: the manifest's class_histogram is not that of the labels")
    boxes = manifest.boxes
    counted = sum((found.box_counts for found in findings), np.zeros(num_box_classes + 1, np.int64))
    if not problems and boxes and counted.tolist() != [*boxes.histogram, boxes.ignored]:
        problems.append(f"{folder.url}: the manifest's counts of boxes are not those of the boxes")
    if not problems and manifest.is_void:
        problems.append(f"{folder.url}: none of its labels has a labelled pixel")
    said = [lacking(manifest, folder.url), lacking_boxes(boxes, folder.url)]
    return Verdict(
        url=folder.url,
        num_shards=len(manifest.shards),
        num_samples=manifest.num_samples,
        num_bytes=manifest.num_bytes,
        problems=tuple(problems),
        warnings=() if problems else tuple(one for one in said if one is not None),
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
    num_box_classes = len(manifest.boxes.class_names) if manifest.boxes else 0
    found = _Findings(
        np.zeros(len(manifest.class_names), np.int64), np.zeros(num_box_classes + 1, np.int64)
    )
    found.problems += _check_layout(where, shard, is_ours=manifest.members is None)
    if found.problems:
        return found
    digest, end = hashlib.sha256(), 0
    try:
        for block in shard.blocks:
            # Between blocks there may be entries of folders, in tars of other tools.
            digest.update(_between(folder, shard, end, block.offset))
            data = read_block(folder, shard, block)
            digest.update(data)
            end = block.offset + block.num_bytes
            _check_block(where, data, block, manifest, found)
        digest.update(_between(folder, shard, end, shard.num_bytes))
    except UserError as error:
        found.problems.append(str(error))
        return found
    if digest.hexdigest() != shard.sha256:
        found.problems.append(f"{where}: its sha256 is not that of the manifest")
    if _is_longer(folder, shard):
        found.problems.append(f"{where}: it has more than the manifest's {shard.num_bytes} bytes")
    return found


def _between(folder: Folder, shard: Shard, start: int, stop: int) -> bytes | bytearray:
    """Bytes of a shard; none are not asked for, which object storage takes for an error."""
    return folder.read_range(shard.name, start, stop) if stop > start else b""


def _is_longer(folder: Folder, shard: Shard) -> bool:
    """Whether there is a byte after the last one that the manifest knows of."""
    try:
        folder.read_range(shard.name, shard.num_bytes, shard.num_bytes + 1)
    except UserError:
        return False
    return True


def _check_layout(where: str, shard: Shard, *, is_ours: bool) -> Iterator[str]:
    end = 0
    for block in shard.blocks:
        follows = block.offset == end if is_ours else block.offset >= end
        if not follows or block.num_bytes % tarfile.BLOCKSIZE:
            yield f"{where}: the manifest's block at byte {block.offset} does not follow byte {end}"
        end = block.offset + block.num_bytes
    # A tar ends with two empty blocks, and is filled up to a whole number of records.
    # Other tools fill up more, or leave the end away.
    least, most = (2 * tarfile.BLOCKSIZE, 2 * tarfile.RECORDSIZE) if is_ours else (0, 2**63)
    if not least <= shard.num_bytes - end < most:
        yield f"{where}: the manifest's blocks end at byte {end} of {shard.num_bytes}"


def _check_block(
    where: str, data: bytes, block: Block, manifest: Manifest, found: _Findings
) -> None:
    try:
        samples = samples_of(data, block, where)
    except UserError as error:
        found.problems.append(str(error))
        return
    said = block.class_pixels or (None,) * len(samples)
    for (key, sample), pixels in zip(samples, said, strict=True):
        found.keys.append(key)
        try:
            histogram, box_counts = _check_sample(f"{where}: sample {key}", sample, manifest)
        except UserError as error:
            found.problems.append(str(error))
            continue
        found.histogram += histogram
        found.box_counts += box_counts
        if pixels not in (None, to_text(histogram.tolist())):
            found.problems.append(
                f"{where}: sample {key}: the manifest's class_pixels are not those of its label"
            )


def _check_sample(
    where: str, sample: Files, manifest: Manifest
) -> tuple[npt.NDArray[np.int64], tuple[int, ...]]:
    """Pixels of each class, and counts of boxes as `count_boxes` has them."""
    classes = manifest.class_set
    image_file, label_file = files_of(sample, where, manifest)
    image = decode_image(image_file, where)
    box_counts = _check_boxes(where, sample, manifest, image.shape[2], image.shape[1])
    if label_file is None or classes is None:
        return np.zeros(len(manifest.class_names), np.int64), box_counts
    label = decode_train_ids(label_file, where, manifest.label_map)
    check_label(label, image, classes, where)
    counts = np.bincount(label.numpy().ravel(), minlength=256)[: classes.num_classes]
    return counts.astype(np.int64), box_counts


def _check_boxes(
    where: str, sample: Files, manifest: Manifest, width: int, height: int
) -> tuple[int, ...]:
    file, classes = boxes_of(sample, where, manifest), manifest.classes_of("boxes")
    if file is None or classes is None:
        return (0,)
    boxes = decode_boxes(file, where)
    check_boxes(boxes, (width, height), classes, where)
    return count_boxes(boxes, classes.num_classes)
