"""Ids in label files: few bits, palettes, train ids."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist.data.class_sets import CITYSCAPES_19
from advent_dist.errors import DataError
from shards.label_file import read_cityscapes_ids, read_ids, require_label_ids
from shards.label_map import built_in_map
from tests.unit.shards import layouts

IDS = np.array([[7, 8, 11, 13], [1, 0, 3, 2]], np.uint8)


def save_png(path: Path, bits: int, samples: np.ndarray, colour_type: int = 0) -> Path:
    """A PNG with few bits a sample, which Pillow writes for palettes only."""
    height, width = samples.shape
    packed = [
        np.packbits(np.unpackbits(row[:, None], axis=1)[:, -bits:].ravel()).tobytes()
        for row in samples
    ]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">2I5B", width, height, bits, colour_type, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row for row in packed))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


@pytest.mark.parametrize(("bits", "values"), [(2, IDS % 4), (4, IDS), (8, IDS)])
def test_grey_samples_are_the_ids_whatever_their_bits(
    tmp_path: Path, bits: int, values: np.ndarray
) -> None:
    np.testing.assert_array_equal(read_ids(save_png(tmp_path / "a.png", bits, values)), values)


def test_palette_indices_of_few_bits_are_the_ids(tmp_path: Path) -> None:
    picture = Image.fromarray(IDS)
    picture.putpalette([value for i in range(16) for value in (i, 99, 0)])
    picture.save(tmp_path / "a.png", bits=4)
    np.testing.assert_array_equal(read_ids(tmp_path / "a.png"), IDS)


def test_a_label_is_turned_as_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(IDS).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_ids(tmp_path / "a.png"), np.rot90(IDS, -1))


def test_a_label_is_a_png(tmp_path: Path) -> None:
    Image.fromarray(IDS).save(tmp_path / "a.png", "JPEG")
    with pytest.raises(DataError, match=r"a\.png: it can't be read as PNG"):
        read_ids(tmp_path / "a.png")


def save_palette(path: Path, ids: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> Path:
    picture = Image.fromarray(ids)
    picture.putpalette([v for i in range(256) for v in colours.get(i, (0, 0, 0))])
    picture.save(path)
    return path


CITYSCAPES_IDS = tuple(
    i for i, train_id in built_in_map("cityscapes19").train_ids.items() if train_id != 255
)
PUBLISHED = dict(zip(CITYSCAPES_IDS, CITYSCAPES_19.palette, strict=True))
"""Label id -> the colour of its class, as GTA5's palettes have it."""


def test_a_palette_as_published_and_a_palette_of_other_colours_are_read(tmp_path: Path) -> None:
    ids = np.arange(35, dtype=np.uint8)[None]
    published = {**PUBLISHED, 18: PUBLISHED[17], 34: PUBLISHED[26]}
    for number, colours in enumerate((published, {i: (i, 1, 2) for i in range(35)})):
        path = save_palette(tmp_path / f"{number}.png", ids, colours)
        np.testing.assert_array_equal(read_cityscapes_ids(path), ids)


@pytest.mark.parametrize("order", [(7, 23, 21, 26), CITYSCAPES_IDS], ids=["sorted", "train ids"])
def test_a_palette_that_gives_classes_other_ids_is_refused(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    ids = np.arange(len(order), dtype=np.uint8)[None]
    path = save_palette(tmp_path / "a.png", ids, {i: PUBLISHED[own] for i, own in enumerate(order)})
    with pytest.raises(DataError, match=r"a\.png: .* id 0 has the colour of road, whose id is 7"):
        read_cityscapes_ids(path)


def labels(folder: Path, *values: list[int]) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(len(values))]
    for path, chosen in zip(paths, values, strict=True):
        layouts.save(path, layouts.ids(chosen))
    return paths


def test_train_ids_are_told_from_label_ids(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path}: its labels hold train ids"):
        require_label_ids(labels(tmp_path, [0, 1, 2], [2, 8, 10, 255]))


@pytest.mark.parametrize(
    "values",
    [[[7, 8, 11, 13]], [[0, 7, 16], [7, 23]], [[0, 4, 7]], [list(range(34))]],
    ids=["few", "a tunnel, and sky elsewhere", "void and road", "all"],
)
def test_label_ids_pass(tmp_path: Path, values: list[list[int]]) -> None:
    require_label_ids(labels(tmp_path, *values))


def test_some_labels_of_many_are_looked_at(tmp_path: Path) -> None:
    paths = labels(tmp_path, *([[0, 10]] * 100))
    paths[1].write_bytes(b"damaged, which is told when it is read for its sample")
    with pytest.raises(DataError, match="its labels hold train ids"):
        require_label_ids(paths)
