"""Images that users bring: formats, modes, rotation, limits, damage."""

from __future__ import annotations

import ast
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist.data import image as module
from advent_dist.data.image import is_image, read_as_stored, read_image, upright_size
from advent_dist.data.pixel_limit import MAX_PIXELS
from advent_dist.errors import DataError

REPOSITORY = Path(__file__).parents[3]
NOISE = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
AS_SEEN = {
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).transpose(1, 0, 2),
    8: np.rot90,
}
"""EXIF orientation -> what a viewer does, from the table of the EXIF standard."""


def stored(picture: Image.Image, file_format: str = "PNG", **options: object) -> io.BytesIO:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    file.seek(0)
    return file


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


@pytest.mark.parametrize("orientation", AS_SEEN)
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_an_image_is_turned_upright(orientation: int, file_format: str) -> None:
    file = stored(Image.fromarray(NOISE), file_format, exif=exif(orientation))
    read = read_image(file, "here")
    np.testing.assert_array_equal(np.asarray(read), AS_SEEN[orientation](NOISE))
    file.seek(0)
    size, turned = upright_size(file, "here")
    assert (size, turned) == (read.size, orientation > 1)


def test_a_label_is_turned_upright_and_keeps_its_mode() -> None:
    label = Image.fromarray(NOISE[..., 0])
    read = read_as_stored(stored(label, exif=exif(6)), "here", ("PNG",))
    assert read.mode == "L"
    np.testing.assert_array_equal(np.asarray(read), np.rot90(NOISE[..., 0], -1))


@pytest.mark.parametrize("nonsense", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\xff", b"Exif\0\0garbage"])
def test_broken_exif_is_none(nonsense: bytes) -> None:
    file = stored(Image.fromarray(NOISE), exif=nonsense)
    np.testing.assert_array_equal(np.asarray(read_image(file, "here")), NOISE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    picture = Image.fromarray(NOISE).convert(mode)
    read = read_image(stored(picture), "here")
    assert read.mode == "RGB"
    seen = picture.convert("RGBA").convert("RGB")
    np.testing.assert_array_equal(np.asarray(read), np.asarray(seen))


def test_transparency_of_a_palette_is_dropped_without_a_word() -> None:
    picture = Image.fromarray(NOISE).quantize(8)
    file = stored(picture, transparency=bytes([0, 100, 255]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_image(file, "here")
    np.testing.assert_array_equal(np.asarray(read), np.asarray(picture.convert("RGB")))


def test_cmyk_and_16_bits_a_channel() -> None:
    picture = Image.fromarray(np.full((8, 8, 3), 100, np.uint8))
    file = stored(picture.convert("CMYK"), "JPEG", quality=95)
    assert np.abs(np.asarray(read_image(file, "here")).astype(int) - 100).max() <= 4
    deep = png(2, 1, depth=16, colour=2, rows=[struct.pack(">6H", *range(1000, 7000, 1000))])
    assert np.asarray(read_image(deep, "here")).ravel().tolist() == [3, 7, 11, 15, 19, 23]
    grey = stored(Image.fromarray(np.full((2, 2), 3000, np.uint16)))
    with pytest.raises(DataError, match="here: it has the mode I;16; write 8 bits a channel"):
        read_image(grey, "here")


@pytest.mark.parametrize("file_format", module.FORMATS)
def test_formats_that_are_opened(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / "named.jpg"
    path.write_bytes(stored(Image.fromarray(NOISE), file_format).getvalue())
    assert read_image(path, str(path)).size == (4, 6)


@pytest.mark.parametrize("file_format", ["EPS", "ICO", "PPM"])
def test_other_formats_are_refused(file_format: str) -> None:
    file = stored(Image.fromarray(np.zeros((32, 32, 3), np.uint8)), file_format)
    with pytest.raises(DataError, match=r"^here: it can't be read as JPEG, .*; convert it"):
        read_image(file, "here")


def png(width: int, height: int, depth: int, colour: int, rows: list[bytes]) -> io.BytesIO:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">2I5B", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return io.BytesIO(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(20_000, 10_000), (2**31 - 1, 2**31 - 1)])
def test_an_image_that_is_too_large_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(DataError) as caught:
        read_image(png(*size, depth=1, colour=0, rows=[]), "a.png")
    width, height = size
    assert f"a.png: it has {width}x{height} pixels, but at most 178,956,970" in str(caught.value)


def test_pillows_own_limit_is_neither_in_the_way_nor_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_image(stored(Image.fromarray(NOISE)), "here")
    assert Image.MAX_IMAGE_PIXELS == 5
    assert MAX_PIXELS == 178_956_970


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"^b: it can't be read \(No such file or directory\); copy"
    ):
        read_image(tmp_path / "none.png", "b")


@pytest.mark.parametrize("file_format", module.FORMATS)
def test_damage_is_one_line(file_format: str) -> None:
    """Files that are cut anywhere, or have wrong bytes anywhere, are read or refused."""
    whole = stored(Image.fromarray(NOISE), file_format, exif=exif(6)).getvalue()
    rng = np.random.default_rng(0)
    damaged = [whole[:end] for end in range(0, len(whole), 7)]
    for _ in range(100):
        changed = bytearray(whole)
        changed[rng.integers(len(whole))] = rng.integers(256)
        damaged.append(bytes(changed))
    said = [message for data in damaged if (message := refusal(data)) is not None]
    assert len(said) > len(damaged) / 10
    assert all(message.startswith("here: it ") for message in said)
    assert not any("\n" in message for message in said)


def refusal(data: bytes) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read_image(io.BytesIO(data), "here")
    except DataError as error:
        return str(error)
    return None


def test_what_ends_as_an_image() -> None:
    assert all(is_image(Path(name)) for name in ("a.jpg", "a.JPG", "a.Jpeg", "a.webp", "b.c.TIF"))
    assert not any(is_image(Path(name)) for name in ("._a.jpg", "a.gif", "a.txt", "jpg", ".png"))


def test_pillow_is_told_the_formats_wherever_it_opens_a_file() -> None:
    """Or it tries all that it knows, and hands some of them to other programs."""
    calls = [
        (path, call)
        for package in ("advent_dist", "cluster", "shards", "tune")
        for path in (REPOSITORY / package).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Image.open"
    ]
    assert len(calls) >= 2
    told = [path for path, call in calls if "formats" in {one.arg for one in call.keywords}]
    assert told == [path for path, _ in calls]
