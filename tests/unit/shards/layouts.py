"""Tiny data sets in the layouts of the real ones."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def save(path: Path, pixels: np.ndarray, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette:
        image.putpalette([value for i in range(256) for value in (i, 255 - i, 0)])
    image.save(path)


def photograph(number: int, size: tuple[int, int] = (12, 8)) -> np.ndarray:
    width, height = size
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def ids(values: list[int], size: tuple[int, int] = (12, 8)) -> np.ndarray:
    """A label [h, w] that runs through `values`."""
    width, height = size
    return np.resize(np.array(values, np.uint8), (height, width))


def save_16_bit_rgb(path: Path, pixels: np.ndarray) -> None:
    """A PNG as SYNTHIA's labels are; Pillow can't write one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def camvid(root: Path, values: list[int] | None = None) -> Path:
    for split, names in (("train", ("0001TP_1", "0006R0_2", "0016E5_3")), ("val", ("0016E5_4",))):
        for number, name in enumerate(names):
            save(root / split / f"{name}.png", photograph(number))
            save(root / f"{split}annot" / f"{name}.png", ids(values or list(range(12))))
    return root


def gta5(root: Path, label_size: tuple[int, int] = (12, 8)) -> Path:
    for number in (1, 2):
        save(root / "images" / f"{number:05d}.png", photograph(number))
        label = ids(list(range(35)), label_size)
        save(root / "labels" / f"{number:05d}.png", label, palette=True)
    return root


def synthia(root: Path) -> Path:
    for number in (0, 1):
        save(root / "RGB" / f"{number:07d}.png", photograph(number))
        label = np.zeros((8, 12, 3), np.uint16)
        label[..., 0] = ids(list(range(23)))
        label[..., 1] = 1000 + np.arange(96).reshape(8, 12)
        save_16_bit_rgb(root / "GT" / "LABELS" / f"{number:07d}.png", label)
    return root


def cityscapes(root: Path) -> Path:
    for split, city, number in (("train", "aachen", 1), ("train", "ulm", 2), ("val", "lindau", 3)):
        stem = f"{city}_00000{number}_000019"
        save(root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", photograph(number))
        label = ids(list(range(34)))
        save(root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png", label)
        save(root / "gtFine" / split / city / f"{stem}_gtFine_instanceIds.png", label)
    return root
