"""Ids and colours, in every kind of label file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from advent_dist.data.label_format import holds_colours, read_values
from advent_dist.data.label_map import colour_code
from advent_dist.errors import DataError
from tests.unit.shards import layouts

IDS = np.array([[0, 7, 255], [26, 3, 1]], np.uint8)
WIDE = np.array([[0, 300, 65535], [1, 2, 3]], np.uint16)
RGB = np.array([[[1, 2, 3], [255, 0, 0], [0, 0, 0]]] * 2, np.uint8)


def encoded(
    pixels: np.ndarray, kind: str = "PNG", mode: str | None = None, **options: Any
) -> bytes:  # type: ignore[type-arg]
    image, file = Image.fromarray(pixels), io.BytesIO()
    (image if mode is None else image.convert(mode)).save(file, kind, **options)
    return file.getvalue()


def array(values: np.ndarray) -> bytes:  # type: ignore[type-arg]
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def palette(ids: np.ndarray) -> bytes:  # type: ignore[type-arg]
    image, file = Image.fromarray(ids), io.BytesIO()
    image.putpalette([value for i in range(256) for value in (i, 255 - i, 0)])
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (encoded(IDS), IDS),
        (encoded(IDS, "TIFF"), IDS),
        (encoded(IDS, "BMP"), IDS),
        (palette(IDS), IDS),
        (encoded(WIDE), WIDE),
        (encoded(WIDE, "TIFF"), WIDE),
        (encoded(WIDE.astype(np.int32), "TIFF"), WIDE),
        (encoded(IDS > 3), (IDS > 3).astype(np.uint8)),
        (array(IDS), IDS),
        (array(WIDE.astype(np.int64)), WIDE),
        (array(IDS[..., None]), IDS),
        (array(IDS > 3), (IDS > 3).astype(np.uint8)),
    ],
    ids=lambda value: value[:4].hex() if isinstance(value, bytes) else str(value.dtype),
)
def test_ids(data: bytes, values: np.ndarray) -> None:  # type: ignore[type-arg]
    read = read_values(data, "l", colours=False)
    np.testing.assert_array_equal(read, values)
    assert read.dtype in (np.uint8, np.uint16)
    assert not holds_colours(data, "l")


@pytest.mark.parametrize(
    "data",
    [
        encoded(RGB),
        encoded(RGB, mode="RGBA"),
        encoded(RGB, "TIFF"),
        encoded(RGB, "BMP"),
        array(RGB),
    ],
)
def test_colours(data: bytes) -> None:
    np.testing.assert_array_equal(read_values(data, "l", colours=True), colour_code(RGB))
    assert holds_colours(data, "l")


def test_a_palette_has_colours_too() -> None:
    values = read_values(palette(IDS), "l", colours=True)
    np.testing.assert_array_equal(values, colour_code(np.stack([IDS, 255 - IDS, 0 * IDS], -1)))


def test_labels_are_turned_as_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    read = read_values(encoded(IDS, exif=exif), "l", colours=False)
    np.testing.assert_array_equal(read, np.rot90(IDS, -1))


@pytest.mark.parametrize(
    ("data", "colours", "said"),
    [
        (encoded(RGB), False, "it holds colours, but the class file has ids"),
        (encoded(IDS), True, r"it holds ids \(L\), but the class file has colours"),
        (encoded(RGB, "JPEG"), True, "a JPEG is no label"),
        (encoded(IDS, mode="LA"), False, "a LA image is no label"),
        (encoded(IDS / np.float32(2), "TIFF"), False, "a F image is no label"),
        (encoded(np.full((2, 2), 70000, np.int32), "TIFF"), False, "holds the value 70000"),
        (array(IDS.astype(np.float32)), False, r"it is float32 \[2, 3\], but ids are whole"),
        (array(IDS.astype(np.int8) * -1), False, "holds the value -"),
        (array(np.zeros((0, 3), np.uint8)), False, r"it is \[0, 3\]; give"),
        (array(IDS), True, r"it is uint8 \[2, 3\], but colours are"),
        (array(np.array([{}])), False, "it can't be read"),
        (array(IDS)[:-3], False, "it can't be read"),
        (encoded(IDS)[:40], False, "l: it can't be read"),
        (b"", False, "l: it can't be read as PNG"),
    ],
)
def test_what_is_no_label_is_refused(data: bytes, colours: bool, said: str) -> None:
    with pytest.raises(DataError, match=f"^l: .*{said.removeprefix('l: ')}"):
        read_values(data, "l", colours=colours)


def test_colours_of_16_bits_are_refused(tmp_path: Any) -> None:
    layouts.save_16_bit_rgb(tmp_path / "l.png", np.full((2, 3, 3), 3000, np.uint16))
    with pytest.raises(DataError, match="l: it has 16 bits a channel"):
        read_values((tmp_path / "l.png").read_bytes(), "l", colours=True)


def test_a_tiff_that_calls_white_0_is_refused() -> None:
    data = encoded(IDS, "TIFF", tiffinfo={262: 0})
    with pytest.raises(DataError, match="its TIFF calls white 0"):
        read_values(data, "l", colours=False)
