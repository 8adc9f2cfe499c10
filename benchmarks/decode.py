"""Which decoder is fastest for the images and labels of a shard, and are its pixels Pillow's?

    python benchmarks/decode.py [--camvid DIR] [--quick] [--json FILE]

DIR is CamVid in SegNet's layout (see shards/README.md); without it, procedural streets are decoded.
torchcodec and imagecodecs take part where they are installed. One thread, bytes in memory, decoders
in turn over the same files; the median of the rounds counts.
"""

from __future__ import annotations

import ctypes
import io
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import simplejpeg
import torch
import torchvision.io
import tyro
from PIL import Image
from record import keep

from advent_dist.data.sample import decode_image, decode_label, encode_image, encode_label
from shards.camvid import CamVid
from shards.dataset import Item
from shards.streets.reader import Streets

QUESTION = "Which decoder is fastest for the images and labels of a shard?"
RESULTS = Path(__file__).parent / "results" / "decode.json"
SIZES = ((1280, 720), (320, 240))
QUALITY = 95
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h

Pixels = npt.NDArray[np.uint8]
T = TypeVar("T")
Decoder = Callable[[bytes], Pixels]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Time decoders of JPEG images and of PNG labels."""

    camvid: Path | None = None
    """CamVid in SegNet's layout; none draws streets."""

    images: int = 24
    """Images and labels a size."""

    rounds: int = 9
    """Times that each decoder goes through all images."""

    quick: bool = False
    """Two images, two rounds: does it run?"""

    json: Path | None = None
    """Where the result goes; a full run's default is benchmarks/results/decode.json."""


def main() -> None:
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    _keep_freed_memory()
    images, rounds = (2, 2) if options.quick else (options.images, options.rounds)
    source: CamVid | Streets
    if options.camvid is None:
        source = Streets(look="day", count=images, size=SIZES[0])
    else:
        source = CamVid(options.camvid, splits=("test",))
    samples = [_load(item) for item in source.items(labelled=True)[:images]]
    rows = [row for size in SIZES for row in images_of(samples, size, rounds)]
    rows += [row for size in SIZES for row in labels_of(samples, size, rounds)]
    sys.stdout.write(table(rows))
    out = options.json or (None if options.quick else RESULTS)
    keep(out, question=QUESTION, ratios=ratios(rows), rows=rows)


def _keep_freed_memory() -> None:
    """Have glibc reuse what is freed, in whatever order decoders run.

    Else it gives the memory back to the system now and then, and some decoder is charged with
    getting it again: up to as much time as its decoding takes.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        for option in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            libc.mallopt(option, 2**30)


def _load(item: Item) -> tuple[Pixels, Pixels]:
    image, label = item.load(labelled=True)
    assert label is not None
    return image, label


def images_of(
    samples: list[tuple[Pixels, Pixels]], size: tuple[int, int], rounds: int
) -> list[dict[str, Any]]:
    """One row a JPEG decoder."""
    files = [
        encode_image(_resized(image, size, Image.Resampling.BICUBIC), "jpg", QUALITY)
        for image, _ in samples
    ]
    decoders = jpeg_decoders()
    times = median_ms({name: _each(decode, files) for name, decode in decoders.items()}, rounds)
    expected = [_pillow(file) for file in files]
    return [
        {
            "file": "image.jpg",
            "size": size,
            "codec": name,
            "decode_ms": times[name] / len(files),
            "bytes": sum(map(len, files)) // len(files),
            "largest_difference": max(
                int(np.abs(decode(file).astype(int) - pixels).max())
                for file, pixels in zip(files, expected, strict=True)
            ),
        }
        for name, decode in decoders.items()
    ]


def labels_of(
    samples: list[tuple[Pixels, Pixels]], size: tuple[int, int], rounds: int
) -> list[dict[str, Any]]:
    """One row a way to encode labels, all decoded alike."""
    labels = [_resized(label, size, Image.Resampling.NEAREST) for _, label in samples]
    encoders: dict[str, Callable[[Pixels], bytes]] = {
        "ours": encode_label,
        "Pillow": _pillow_png,
        "Pillow level 1": lambda label: _pillow_png(label, compress_level=1),
        "Pillow optimize": lambda label: _pillow_png(label, optimize=True),
        "Pillow palette": lambda label: _pillow_png(label, palette=True),
    }
    files = {name: [encode(label) for label in labels] for name, encode in encoders.items()}
    decode_ms = median_ms(
        {name: _each(lambda file: decode_label(file, ""), files[name]) for name in encoders}, rounds
    )
    encode_ms = median_ms(
        {name: _each(encode, labels) for name, encode in encoders.items()}, min(rounds, 3)
    )
    for data in files.values():
        for file, label in zip(data, labels, strict=True):
            assert np.array_equal(decode_label(file, "").numpy(), label)
    return [
        {
            "file": "label.png",
            "size": size,
            "codec": name,
            "decode_ms": decode_ms[name] / len(labels),
            "encode_ms": encode_ms[name] / len(labels),
            "bytes": sum(map(len, files[name])) // len(labels),
        }
        for name in encoders
    ]


def _each(action: Callable[[T], object], inputs: Sequence[T]) -> Callable[[], None]:
    def run() -> None:
        for one in inputs:
            action(one)  # the result is dropped at once, as a batch drops what it was stacked from

    return run


def median_ms(actions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median time of each action, taken in turn after one warm-up round."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(1 + rounds):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(taken[1:]) for name, taken in times.items()}


def jpeg_decoders() -> dict[str, Decoder]:
    """Name -> bytes to uint8 [h, w, 3]; `ours` is what training calls."""
    decoders: dict[str, Decoder] = {
        "ours": lambda data: decode_image(data, "").permute(1, 2, 0).numpy(),
        "Pillow": _pillow,
        "simplejpeg": simplejpeg.decode_jpeg,
        "simplejpeg, fast DCT and upsampling": lambda data: simplejpeg.decode_jpeg(
            data, fastdct=True, fastupsample=True
        ),
        "torchvision.io (deprecated)": _torch_decoder(torchvision.io.decode_jpeg),
    }
    if (torchcodec := _installed("torchcodec.decoders")) is not None:
        decoders["torchcodec"] = _torch_decoder(torchcodec.decode_jpeg)
    if (imagecodecs := _installed("imagecodecs")) is not None:
        decoders["imagecodecs"] = imagecodecs.jpeg8_decode
    return decoders


def _torch_decoder(decode: Callable[[torch.Tensor], torch.Tensor]) -> Decoder:
    def pixels(data: bytes) -> Pixels:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            decoded = decode(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        array: Pixels = decoded.permute(1, 2, 0).numpy()
        return array

    return pixels


def _installed(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        return None


def _pillow(data: bytes) -> Pixels:
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def _pillow_png(label: Pixels, *, palette: bool = False, **options: Any) -> bytes:
    file, image = io.BytesIO(), Image.fromarray(label)
    if palette:
        image.putpalette(bytes(range(256)) * 3)
    image.save(file, "PNG", **options)
    return file.getvalue()


def _resized(pixels: Pixels, size: tuple[int, int], method: Image.Resampling) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize(size, method))


def ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Decoding time of each codec over that of Pillow's defaults."""
    pillow = {
        (row["file"], row["size"]): row["decode_ms"] for row in rows if row["codec"] == "Pillow"
    }
    return {
        f"{row['codec']} / Pillow, {row['file']} {_by(row['size'])}": row["decode_ms"]
        / pillow[row["file"], row["size"]]
        for row in rows
        if row["codec"] != "Pillow"
    }


def _by(size: Iterable[int]) -> str:
    return "x".join(map(str, size))


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| file | codec | decode ms | encode ms | kB | largest difference |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        encode = f"{row['encode_ms']:.2f}" if "encode_ms" in row else ""
        lines.append(
            f"| {row['file']} {_by(row['size'])} | {row['codec']} | {row['decode_ms']:.2f} "
            f"| {encode} | {row['bytes'] / 1e3:.1f} | {row.get('largest_difference', 0)} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
