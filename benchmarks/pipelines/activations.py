"""Passes through a segmenter that recomputes nothing, what is cheap, or all of its blocks."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import Literal

import torch
import tyro
from torch import Tensor

from advent_dist.config import ModelConfig
from advent_dist.models.segmenter import Segmenter, build_segmenter
from benchmarks.memory import memory_mb

Way = Literal["none", "cheap", "all"]
WAYS: tuple[Way, ...] = ("none", "cheap", "all")
_DECODERS = {"deeplab_v2": "deeplab", "vit_small_patch14_dinov2": "upscaling"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which network, and what of it is computed again."""

    encoder: str
    """The paper's, or any of timm."""

    ways: tuple[Way, ...] = WAYS
    """They take turns."""

    rounds: int = 5
    """Passes of each that are measured, after a first one that is not."""


def main() -> None:
    """Print the CPU seconds of each pass, and the MB that a forward pass leaves behind."""
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    segmenters = {way: _segmenter(options.encoder, way) for way in options.ways}
    random = torch.Generator().manual_seed(1)
    # Whole patches of 14.
    size = (252, 504) if "patch14" in options.encoder else (256, 512)
    images = torch.randint(0, 256, (2, 3, *size), generator=random, dtype=torch.uint8)
    images = images.contiguous(memory_format=torch.channels_last)
    seconds: dict[str, list[float]] = {way: [] for way in options.ways}
    kept = 0.0
    for measured in range(-1, options.rounds):
        for way, segmenter in segmenters.items():
            taken, left = _pass(segmenter, images)
            if measured >= 0:
                seconds[way].append(taken)
                kept = max(kept, left)
    sys.stdout.write(json.dumps({"seconds": seconds, "kept_mb": kept}) + "\n")


def _segmenter(encoder: str, way: Way) -> Segmenter:
    torch.manual_seed(0)
    decoder = _DECODERS.get(encoder, "fpn")
    config = ModelConfig(encoder=encoder, decoder=decoder, multi_level=encoder == "deeplab_v2")
    segmenter = build_segmenter(config, num_classes=19).train()
    if way != "none":
        segmenter.enable_activation_checkpointing(way)
    return segmenter


def _pass(segmenter: Segmenter, images: Tensor) -> tuple[float, float]:
    """CPU seconds, and MB that the forward pass left."""
    segmenter.zero_grad()
    before, start = memory_mb("VmRSS"), time.process_time()
    main = segmenter(images).main
    left = memory_mb("VmRSS") - before
    main.square().mean().backward()
    return time.process_time() - start, left


if __name__ == "__main__":
    main()
