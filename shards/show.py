"""A contact sheet: one HTML page with samples from all over a folder of shards.

The page needs neither network nor other files. Only the blocks that hold its samples are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from advent_dist.data.box_arrays import BoxArrays
from advent_dist.data.box_file import check_boxes, decode_boxes
from advent_dist.data.box_geometry import resize_boxes
from advent_dist.data.classes import ClassSet
from advent_dist.data.label_format import decode_train_ids
from advent_dist.data.manifest import Block, Manifest, Shard
from advent_dist.data.members import Files
from advent_dist.data.sample import decode_image, encode_image
from advent_dist.data.store import Folder, open_file, open_folder, read_manifest
from advent_dist.errors import DataError
from advent_dist.pictures import colourise, draw_boxes, to_data_uri
from shards.blocks import boxes_of, files_of, read_block, samples_of
from shards.info import box_counts, class_shares, facts

_LONGEST_SIDE = 480
"""Pixels of a picture on the page; larger ones are made smaller."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One sample on the page."""

    key: str
    """Its name in the shard."""

    shard: str
    """The shard's file name."""

    size: str
    """Width x height of the image, in pixels."""

    image: str
    """The image as a `data:` URI, its boxes drawn on it."""

    label: str | None
    """The label in the classes' colours as a `data:` URI; none in an unlabelled folder."""


def write_contact_sheet(url: str, out: str, num_samples: int) -> int:
    """Write the page.

    Args:
        url: Local folder or s3:// URL of shards.
        out: Path or URL of the page's file; its folder is made if it is missing.
        num_samples: Samples to show at most, evenly spaced over the data set.

    Returns:
        The number of samples shown.

    Raises:
        DataError: shards are missing or damaged, or the page can't be written.
    """
    if num_samples < 1:
        raise DataError(f"--samples {num_samples}: must be at least 1")
    page_folder, page_name = open_file(out)
    folder, manifest = open_folder(url), read_manifest(url)
    chosen = tiles(folder, manifest, evenly_spaced(manifest.num_samples, num_samples))
    environment = Environment(
        loader=PackageLoader("shards", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = list(chosen)
    page = environment.get_template("contact_sheet.html").render(
        url=url,
        facts=facts(manifest, url),
        shares=class_shares(manifest),
        boxes=box_counts(manifest),
        tiles=shown,
    )
    page_folder.write(page_name, page.encode())
    return len(shown)


def evenly_spaced(total: int, count: int) -> list[int]:
    """At most `count` different numbers out of 0..total-1, one in the middle of each equal part."""
    count = min(total, count)
    return [(2 * i + 1) * total // (2 * count) for i in range(count)]


def tiles(folder: Folder, manifest: Manifest, numbers: list[int]) -> Iterator[Tile]:
    """The samples of these numbers, which ascend.

    Raises:
        DataError: a block or a sample is damaged; the message names it.
    """
    for shard, block, places in by_block(manifest, numbers):
        where = f"{folder.url}/{shard.name}"
        samples = samples_of(read_block(folder, shard, block), block, where)
        for place in places:
            yield _tile(*samples[place], shard.name, where, manifest)


def by_block(manifest: Manifest, numbers: list[int]) -> Iterator[tuple[Shard, Block, list[int]]]:
    """The blocks that hold samples of these numbers, and which samples of each."""
    first = 0
    for shard in manifest.shards:
        for block in shard.blocks:
            end = first + block.num_samples
            places = [number - first for number in numbers if first <= number < end]
            if places:
                yield shard, block, places
            first = end


def _tile(key: str, sample: Files, shard: str, where: str, manifest: Manifest) -> Tile:
    where = f"{where}: sample {key}"
    image_file, label_file = files_of(sample, where, manifest)
    image = decode_image(image_file, where).permute(1, 2, 0).numpy()
    height, width = image.shape[:2]
    file, classes, boxes = boxes_of(sample, where, manifest), manifest.classes_of("boxes"), None
    if file is not None and classes is not None:
        boxes = decode_boxes(file, where)
        check_boxes(boxes, (width, height), classes, where)
    return Tile(
        key=key,
        shard=shard,
        size=f"{width} x {height}",
        image=_photograph(image, boxes, classes),
        label=None if label_file is None else _painted(label_file, where, manifest),
    )


def _photograph(
    image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    boxes: BoxArrays | None,
    classes: ClassSet | None,
) -> str:
    picture = Image.fromarray(image)
    before = picture.size
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.BICUBIC)
    if boxes is not None and classes is not None:
        boxes = resize_boxes(boxes, before, picture.size)
        marks = [" (ignored)" if ignored else "" for ignored in boxes.ignore]
        captions = [classes.names[i] + mark for i, mark in zip(boxes.label, marks, strict=True)]
        colours = [classes.palette[i] for i in boxes.label]
        picture = draw_boxes(picture, boxes.xyxy.tolist(), colours, captions)
    return to_data_uri(encode_image(np.asarray(picture), "jpg", quality=85), "image/jpeg")


def _painted(label_file: memoryview, where: str, manifest: Manifest) -> str:
    label = decode_train_ids(label_file, where, manifest.label_map).numpy()
    picture = Image.fromarray(colourise(label, manifest.palette))
    # Nearest: the mean of two classes' colours would be the colour of a third.
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.NEAREST)
    return to_data_uri(picture)
