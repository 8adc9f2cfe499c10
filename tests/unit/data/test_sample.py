"""The codec of a sample, and what is refused."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from advent_dist.data.class_sets import CAMVID_11
from advent_dist.data.sample import (
    check_label,
    decode_image,
    decode_label,
    encode_image,
    encode_label,
)
from advent_dist.errors import DamageError, DataError

NOISE = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
RAMP = np.stack(np.broadcast_arrays(*np.ogrid[0:128:2, 0:128:2], 64), axis=-1).astype(np.uint8)


def test_png_keeps_every_pixel():
    image = decode_image(encode_image(NOISE, "png"), "here")
    assert image.shape == (3, 9, 13)
    assert np.array_equal(image.permute(1, 2, 0).numpy(), NOISE)


@pytest.mark.parametrize("image_format", ["jpg", "jpeg", "webp"])
def test_lossy_formats_keep_smooth_images_and_the_order_of_channels(image_format):
    image = decode_image(encode_image(RAMP, image_format), "here").permute(1, 2, 0).numpy()
    assert np.abs(image.astype(int) - RAMP).max() <= 8
    low = encode_image(RAMP, image_format, quality=10)
    assert len(low) < len(encode_image(RAMP, image_format, quality=95))


def test_labels_keep_every_value():
    label = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert np.array_equal(decode_label(encode_label(label), "here").numpy(), label)


def jpeg(mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(RAMP).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        jpeg(quality=95),
        jpeg(subsampling=0),
        jpeg(subsampling=1, progressive=True),
        jpeg("L"),
        jpeg("CMYK"),
    ],
    ids=["420", "444", "422 progressive", "grey", "cmyk"],
)
def test_a_jpeg_has_the_pixels_that_pillow_decodes(data):
    expected = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(decode_image(data, "here").permute(1, 2, 0).numpy(), expected)


def test_a_label_is_a_grey_png_whose_rows_have_no_filter():
    label = np.arange(12, dtype=np.uint8).reshape(3, 4)
    data = encode_label(label)
    stored = Image.open(io.BytesIO(data))
    assert (stored.format, stored.mode) == ("PNG", "L")
    assert np.array_equal(np.array(stored), label)
    rows = zlib.decompress(data[data.index(b"IDAT") + 4 : -16])
    assert rows[::5] == bytes(3)


def test_grey_images_become_rgb():
    file = io.BytesIO()
    Image.fromarray(NOISE[..., 0]).save(file, "PNG")
    image = decode_image(file.getvalue(), "here")
    assert np.array_equal(image.numpy(), np.stack([NOISE[..., 0]] * 3))


def test_a_palette_label_gives_indices_not_colours():
    file = io.BytesIO()
    picture = Image.fromarray(np.array([[0, 3], [10, 255]], dtype=np.uint8))
    picture.putpalette(bytes(range(255, -1, -1)) * 3)
    picture.save(file, "PNG")
    assert Image.open(file).mode == "P"
    assert decode_label(file.getvalue(), "here").tolist() == [[0, 3], [10, 255]]


def _ends_early() -> bytes:
    """A JPEG with an end mark in its middle: Pillow decodes the rest as grey without a word."""
    data = encode_image(NOISE, "jpg")
    return data[:-60] + b"\xff\xd9" + data[-58:]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"no image",
        encode_image(NOISE, "png")[:-40],
        encode_image(NOISE, "jpg")[:-40],
        encode_image(NOISE, "jpg")[:20],
        _ends_early(),
    ],
    ids=["empty", "no image", "short png", "short jpg", "header alone", "jpg ends early"],
)
def test_a_damaged_file_is_named(damage):
    with pytest.raises(DataError, match=r"s3://b/x.tar: sample k: its image can't be decoded"):
        decode_image(damage, "s3://b/x.tar: sample k")


@pytest.mark.parametrize("damage", [b"", b"no image", encode_label(NOISE[..., 0])[:-40]])
def test_a_damaged_label_is_named(damage):
    with pytest.raises(DataError, match="sample k: its label can't be decoded"):
        decode_label(damage, "sample k")


def test_a_broken_png_chunk_is_named():
    data = bytearray(encode_image(NOISE, "png"))
    data[29] ^= 1  # the checksum of the header chunk
    with pytest.raises(DataError, match="can't be decoded"):
        decode_image(bytes(data), "here")


def test_a_grey_label_of_few_bits_is_refused_and_a_palette_of_few_is_read():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header, rows = struct.pack(">2I5B", 2, 1, 4, 0, 0, 0, 0), zlib.compress(b"\0\x3a")
    grey = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(DataError, match="k: its label has 4 bits a pixel"):
        decode_label(b"\x89PNG\r\n\x1a\n" + grey, "k")
    file = io.BytesIO()
    picture = Image.fromarray(np.array([[3, 10]], dtype=np.uint8))
    picture.putpalette(bytes(range(48)))
    picture.save(file, "PNG", bits=4)
    assert decode_label(file.getvalue(), "k").tolist() == [[3, 10]]


def test_a_palette_image_with_transparency_is_read_without_a_warning():
    file = io.BytesIO()
    picture = Image.fromarray(NOISE).quantize(8)
    picture.save(file, "PNG", transparency=bytes([0, 100, 255]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = decode_image(file.getvalue(), "here")
    assert np.array_equal(image.permute(1, 2, 0).numpy(), np.array(picture.convert("RGB")))


def test_wrong_kinds_of_pixels_are_refused():
    with pytest.raises(DataError, match="its label has the mode RGB; write train ids as an 8-bit"):
        decode_label(encode_image(NOISE, "png"), "here")
    file = io.BytesIO()
    Image.fromarray(NOISE[..., 0].astype(np.uint16) * 256).save(file, "PNG")
    with pytest.raises(DataError, match="mode I;16; write 8 bits a channel"):
        decode_image(file.getvalue(), "here")


def test_a_value_that_is_no_train_id_is_refused():
    image = torch.zeros(3, 2, 2, dtype=torch.uint8)
    check_label(torch.tensor([[0, 10], [255, 5]], dtype=torch.uint8), image, CAMVID_11, "k")
    wrong = torch.tensor([[0, 10], [255, 11]], dtype=torch.uint8)
    with pytest.raises(
        DataError, match=r"k: its label holds the value 11, but camvid11 .* 0\.\.10"
    ):
        check_label(wrong, image, CAMVID_11, "k")


def test_a_label_of_another_size_is_refused():
    label = torch.zeros(4, 6, dtype=torch.uint8)
    with pytest.raises(DataError, match="k: its label is 6x4, but its image is 8x5"):
        check_label(label, torch.zeros(3, 5, 8, dtype=torch.uint8), CAMVID_11, "k")


def _claiming(data: bytes, width: int, height: int) -> bytes:
    """The same file with another size in its header."""
    if data[:3] == b"\xff\xd8\xff":
        place = data.index(b"\xff\xc0") + 5  # of the frame's header
        return data[:place] + struct.pack(">2H", height, width) + data[place + 4 :]
    header = b"IHDR" + struct.pack(">2I", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


@pytest.mark.parametrize("image_format", ["jpg", "png"])
def test_an_image_of_too_many_pixels_is_refused_by_its_header(image_format, monkeypatch):
    """Whatever other code of the process allows Pillow. A few bytes could fill all memory."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    data = _claiming(encode_image(NOISE, image_format), 30_000, 29_000)
    with pytest.raises(DamageError, match=r"30000x29000 pixels, but at most 178,956,970"):
        decode_image(data, "here")


def test_a_label_of_too_many_pixels_is_refused_by_its_header(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    data = _claiming(encode_label(NOISE[..., 0]), 30_000, 29_000)
    with pytest.raises(DamageError, match=r"k: its label .* 30000x29000 pixels, but at most"):
        decode_label(data, "k")


def test_too_little_memory_is_damage_of_the_sample(tmp_path):
    """In a process of its own: one that has worked for long has memory to use again."""
    side = 9_400
    path = tmp_path / "label.png"
    path.write_bytes(encode_label(np.zeros((side, side), np.uint8)))
    program = f"""
import resource
from pathlib import Path
from advent_dist.data.sample import decode_label
from advent_dist.errors import DamageError

data = Path({str(path)!r}).read_bytes()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + {side * side // 4}, hard))
try:
    decode_label(data, "k")
except DamageError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
print(decode_label(data, "k").shape[0])
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    message, read = done.stdout.splitlines()
    assert message.startswith("k: its label can't be decoded")
    assert int(read) == side


@pytest.mark.parametrize("image_format", ["jpg", "png", "webp"])
def test_no_damage_makes_another_error(image_format):
    chance = random.Random(0)
    whole = encode_image(RAMP, image_format)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 2, 10))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with contextlib.suppress(DataError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decode_image(bytes(data[: chance.choice((len(data), len(data) // 2))]), "k")
