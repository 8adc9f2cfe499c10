"""Full-size PNGs on a local disk, opened, resized and label-mapped by a map-style dataset.

This is how the published code of ADVENT and of most of its successors reads GTA5.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import tyro
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.pictures import RAW_IDS
from benchmarks.pipelines.clock import timed

_MEAN = np.array((104.00698793, 116.66876762, 122.67891434), np.float32)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to read."""

    pictures: Path
    """Folder with NNNNNN.png and NNNNNN_ids.png."""

    size: tuple[int, int]
    samples: int
    workers: int = 1
    batch_size: int = 2


class Pictures(Dataset[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]):
    """Decodes, resizes and maps one picture at a time."""

    def __init__(self, options: Options) -> None:
        self._size = options.size
        self._images = sorted(options.pictures.glob("??????.png"))
        self._count = options.samples

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        path = self._images[index % len(self._images)]
        image = Image.open(path).convert("RGB").resize(self._size, Image.Resampling.BICUBIC)
        ids = Image.open(path.with_name(f"{path.stem}_ids.png"))
        raw = np.asarray(ids.resize(self._size, Image.Resampling.NEAREST), np.float32)
        label = 255 * np.ones(raw.shape, np.float32)
        for train_id, raw_id in enumerate(RAW_IDS):
            label[raw == raw_id] = train_id
        pixels = np.asarray(image, np.float32)[:, :, ::-1] - _MEAN
        return pixels.transpose(2, 0, 1).copy(), label


if __name__ == "__main__":
    torch.set_num_threads(1)
    options = tyro.cli(Options)
    timed(
        DataLoader(
            Pictures(options),
            batch_size=options.batch_size,
            shuffle=True,
            num_workers=options.workers,
        ),
        options.samples,
    )
