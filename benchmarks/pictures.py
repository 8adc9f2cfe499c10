"""The pictures of the input benchmark, in every form that a reader wants them in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from advent_dist.config import Size
from advent_dist.data.class_sets import class_set
from advent_dist.data.manifest import FILE_NAME, Manifest
from advent_dist.data.sample import encode_image, encode_label
from advent_dist.data.store import open_folder
from shards.encode import Encoded
from shards.streets.reader import Streets
from shards.tar import ShardTar

RAW_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Raw id of each of the 19 train ids in GTA5's and Cityscapes' label files."""

QUALITY = 95


def draw(folder: Path, count: int, size: Size) -> None:
    """Street scenes with the grain of a photograph: NNNNNN.png, and NNNNNN_ids.png with raw ids."""
    folder.mkdir(parents=True, exist_ok=True)
    to_raw = np.zeros(256, np.uint8)
    to_raw[: len(RAW_IDS)] = RAW_IDS
    streets = Streets(look="dusk", count=count, size=size, seed=0)
    for number, item in enumerate(streets.items(labelled=True)):
        image, label = item.load(labelled=True)
        assert label is not None
        Image.fromarray(image).save(folder / f"{number:06d}.png")
        Image.fromarray(to_raw[label]).save(folder / f"{number:06d}_ids.png")


def import_photographs(camvid: Path, folder: Path, count: int, size: Size) -> None:
    """CamVid's photographs, enlarged, in the same form."""
    folder.mkdir(parents=True, exist_ok=True)
    to_raw = np.zeros(256, np.uint8)
    to_raw[:11] = RAW_IDS[:11]
    photographs = sorted((camvid / "train").iterdir())[:count]
    for number, path in enumerate(photographs):
        label = Image.open(camvid / "trainannot" / f"{path.stem}.png").resize(
            size, Image.Resampling.NEAREST
        )
        image = Image.open(path).convert("RGB").resize(size, Image.Resampling.BICUBIC)
        image.save(folder / f"{number:06d}.png")
        Image.fromarray(to_raw[np.asarray(label)]).save(folder / f"{number:06d}_ids.png")


def encode(pictures: Path, folder: Path, size: Size, count: int) -> None:
    """NNNNNN.jpg and NNNNNN.png with train ids, at `size`; the pictures repeat to make `count`."""
    folder.mkdir(parents=True, exist_ok=True)
    to_train = np.full(256, 255, np.uint8)
    to_train[list(RAW_IDS)] = range(len(RAW_IDS))
    files = []
    for path in sorted(pictures.glob("??????.png")):
        image = Image.open(path).resize(size, Image.Resampling.BICUBIC)
        ids = Image.open(path.with_name(f"{path.stem}_ids.png"))
        label = to_train[np.asarray(ids.resize(size, Image.Resampling.NEAREST))]
        files.append((encode_image(np.asarray(image), "jpg", QUALITY), encode_label(label)))
    for number in range(count):
        image_file, label_file = files[number % len(files)]
        (folder / f"{number:06d}.jpg").write_bytes(image_file)
        (folder / f"{number:06d}.png").write_bytes(label_file)


def samples(folder: Path, count: int) -> Iterator[Encoded]:
    """`count` samples out of what `encode` wrote, which repeats."""
    images = sorted(folder.glob("*.jpg"))
    for number in range(count):
        path = images[number % len(images)]
        label = path.with_suffix(".png").read_bytes()
        yield Encoded(f"{number:06d}", path.read_bytes(), label, ())


def tiny_samples(count: int) -> Iterator[Encoded]:
    """Samples of 32 x 16 pixels."""
    file = io.BytesIO()
    Image.new("RGB", (32, 16)).save(file, "JPEG")
    label = encode_label(np.zeros((16, 32), np.uint8))
    return (Encoded(f"{number:06d}", file.getvalue(), label, ()) for number in range(count))


def write(url: str, encoded: Iterator[Encoded], shard_mb: float) -> None:
    """Shards of the samples, with a manifest."""
    folder, classes = open_folder(url), class_set("cityscapes19")
    shards = []
    tar = ShardTar("jpg")
    for sample in encoded:
        tar.add(sample)
        if tar.num_bytes >= shard_mb * 1e6:
            data, shard = tar.finish(f"{len(shards):06d}.tar")
            folder.write(shard.name, data)
            shards.append(shard)
            tar = ShardTar("jpg")
    if tar.num_samples:
        data, shard = tar.finish(f"{len(shards):06d}.tar")
        folder.write(shard.name, data)
        shards.append(shard)
    manifest = Manifest(
        dataset="benchmark",
        classes=classes.name,
        class_names=classes.names,
        palette=classes.palette,
        labelled=True,
        class_histogram=(1,) * classes.num_classes,
        shards=tuple(shards),
    )
    folder.write(FILE_NAME, manifest.to_json().encode())
