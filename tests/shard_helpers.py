"""Small real shards for tests, written with webdataset itself rather than with our builder."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from webdataset import TarWriter

from advent_dist.config import DataConfig
from advent_dist.data.box_arrays import BoxArrays, box_arrays
from advent_dist.data.box_file import count_boxes, encode_boxes
from advent_dist.data.box_manifest import box_manifest
from advent_dist.data.class_pixels import to_text
from advent_dist.data.class_sets import CITYSCAPES_BOXES_8, class_set
from advent_dist.data.classes import ClassSet
from advent_dist.data.manifest import FILE_NAME, Block, Manifest, Shard
from advent_dist.data.sample import ImageFormat, encode_image, encode_label
from advent_dist.data.store import open_folder
from advent_dist.types import IGNORE_INDEX


class Example(NamedTuple):
    """A sample to write."""

    key: str
    image: npt.NDArray[np.uint8]
    label: npt.NDArray[np.uint8] | None = None
    boxes: BoxArrays | None = None


def boxed_examples(
    count: int, size: tuple[int, int] = (24, 16), prefix: str = "s"
) -> list[Example]:
    """The same with 0 to 3 boxes of cityscapes_boxes8, every fifth of which is ignored."""
    rng = np.random.default_rng(count)
    made = []
    for number, sample in enumerate(examples(count, size, prefix=prefix)):
        corners = np.sort(rng.uniform(0, 1, (number % 4, 2, 2)), axis=1)
        edges = np.concatenate([corners[:, 0], corners[:, 1]], axis=1) * (size * 2)
        label, ignore = rng.integers(0, 8, len(edges)), rng.random(len(edges)) < 0.2
        made.append(sample._replace(label=None, boxes=box_arrays(edges, label, ignore)))
    return made


def examples(
    count: int, size: tuple[int, int] = (24, 16), num_classes: int = 11, prefix: str = "s"
) -> list[Example]:
    """Samples of noise, width x height; the image's top left red value is the sample's number."""
    rng = np.random.default_rng(count)
    made = []
    for number in range(count):
        image = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        image[0, 0, 0] = number
        label = rng.integers(0, num_classes, (size[1], size[0]), dtype=np.uint8)
        label[-1, -1] = 255
        made.append(Example(f"{prefix}{number:04d}", image, label))
    return made


def write_shards(
    folder: str,
    samples: Sequence[Example],
    *,
    per_shard: int = 6,
    per_block: int = 2,
    classes: ClassSet | str = "camvid11",
    labelled: bool = True,
    image_format: ImageFormat = "png",
) -> Manifest:
    """Write samples into shards at a path or s3:// URL, with their manifest."""
    store = open_folder(folder)
    shards = []
    for number, first in enumerate(range(0, len(samples), per_shard)):
        chosen = samples[first : first + per_shard]
        data = _tar(chosen, labelled, image_format)
        name = f"shard-{number:05d}.tar"
        store.write(name, data)
        shards.append(
            Shard(
                name=name,
                num_bytes=len(data),
                num_samples=len(chosen),
                sha256=hashlib.sha256(data).hexdigest(),
                blocks=_blocks(data, chosen, per_block, labelled),
            )
        )
    known = class_set(classes) if isinstance(classes, str) else classes
    boxes = [sample.boxes for sample in samples if labelled and sample.boxes is not None]
    box_classes = CITYSCAPES_BOXES_8
    box_counts = [count_boxes(one, box_classes.num_classes) for one in boxes]
    mapped = labelled and any(sample.label is not None for sample in samples)
    labels = [sample.label for sample in samples if labelled and sample.label is not None]
    histogram = sum((np.bincount(label.ravel(), minlength=256) for label in labels), np.zeros(256))
    manifest = Manifest(
        dataset="test",
        classes=known.name,
        class_names=known.names,
        palette=known.palette,
        subsets=known.subsets,
        labelled=mapped,
        class_histogram=tuple(int(n) for n in histogram[: known.num_classes]) if mapped else (),
        shards=tuple(shards),
        boxes=box_manifest(box_classes, tuple(map(sum, zip(*box_counts, strict=True))))
        if boxes
        else None,
    )
    store.write(FILE_NAME, manifest.to_json().encode())
    return manifest


def checksums(data: bytes) -> dict[str, Any]:
    """What a manifest says of the bytes of a block."""
    return {"crc32": zlib.crc32(data), "sha256": hashlib.sha256(data).hexdigest()}


def _tar(samples: Sequence[Example], labelled: bool, image_format: ImageFormat) -> bytes:
    file = io.BytesIO()
    with TarWriter(file, mtime=0) as tar:
        for sample in samples:
            image = encode_image(sample.image, image_format)
            members: dict[str, Any] = {"__key__": sample.key, f"image.{image_format}": image}
            if labelled and sample.label is not None:
                members["label.png"] = encode_label(sample.label)
            if labelled and sample.boxes is not None:
                members["boxes.json"] = encode_boxes(sample.boxes)
            tar.write(members)
    return file.getvalue()


def _class_pixels(sample: Example) -> str:
    assert sample.label is not None
    return to_text(np.bincount(sample.label.ravel(), minlength=256)[:IGNORE_INDEX].tolist())


def _blocks(
    data: bytes, samples: Sequence[Example], per_block: int, labelled: bool
) -> tuple[Block, ...]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
    first_one = samples[0]
    mapped = labelled and first_one.label is not None
    files = 1 + mapped + (labelled and first_one.boxes is not None)
    blocks = []
    for first in range(0, len(samples), per_block):
        of_block = samples[first : first + per_block]
        chosen = members[first * files : (first + len(of_block)) * files]
        start, last = chosen[0].offset, chosen[-1]
        stop = last.offset_data + -(-last.size // 512) * 512
        blocks.append(
            Block(
                offset=start,
                num_bytes=stop - start,
                num_samples=len(of_block),
                class_pixels=tuple(map(_class_pixels, of_block)) if mapped else None,
                **checksums(data[start:stop]),
            )
        )
    return tuple(blocks)


def data_config(root: object, **changes: Any) -> DataConfig:
    """A config for shards of `examples()` in folders source, target, evaluation of `root`."""
    defaults: dict[str, Any] = {
        "root": str(root),
        "source": "source",
        "target": "target",
        "evaluation": "evaluation",
        "classes": "camvid11",
        "source_size": (24, 16),
        "target_size": (24, 16),
        "evaluation_size": (24, 16),
        "batch_size_per_rank": 2,
        "workers_per_rank": 0,
    }
    return DataConfig(**{**defaults, **changes})
