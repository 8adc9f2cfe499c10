"""What strangers send in place of images."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from advent_dist.runs.serving.answer import Answer
from advent_dist.runs.serving.sent_image import open_sent

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def stored(pixels: np.ndarray, file_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format)
    return file.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it has that size, and has next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    )


def test_an_image_is_opened() -> None:
    image = open_sent(stored(NOISE), 600)
    assert isinstance(image, Image.Image)
    np.testing.assert_array_equal(np.asarray(image), NOISE)


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (b"", 400, "is empty"),
        (b"no image at all", 415, "can't be read as JPEG, PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "can't be read as JPEG, PNG"),
        (stored(NOISE, "JPEG")[:300], 400, "can't be read"),
        (stored(NOISE)[:-600], 400, "can't be read"),
        (stored(np.full((20, 30), 40_000, np.uint16)), 400, "it"),
        (bomb(601, 1), 413, "it has 601x1 pixels, but at most 600 are decoded; make it smaller"),
        (bomb(100_000, 100_000), 413, "it has 100000x100000 pixels"),
        (bomb(0, 7), 415, "can't be read"),
    ],
)
def test_what_is_none_is_refused_in_a_line(data: bytes, status: int, said: str) -> None:
    answer = open_sent(data, 600)
    assert isinstance(answer, Answer)
    assert answer.status == status
    line = answer.body.decode()
    assert said in line
    assert line.count("\n") == 1
    assert line.startswith("the image that was sent")
