"""What do 8, 64 and 512 GPUs do, and ask of networks and storage? On paper, from numbers given.

python benchmarks/scaling.py [--utilisation 0.3] [--stage 0] [--gpus 8 64 512] [--network-gb-s 50]

A step of AdvEnt with the paper's network at the paper's sizes, on bf16: its operations are counted,
its parameters too; how fast cards, networks and storage are is assumed, and each assumption is a
flag that says where its figure is from. Nothing is taken to overlap, as at ZeRO-0 nothing does,
where DeepSpeed reduces gradients after the backward pass. Then the model's formulas are held to
what other benchmarks measured.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import tyro
from ranks import least_bytes
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from advent_dist.experiments import experiment
from advent_dist.models.discriminator import Discriminator
from advent_dist.models.segmenter import build_segmenter

RESULTS = Path(__file__).parent / "results"
EXPERIMENT, CLASSES = "gta5_cityscapes_advent", 19

BLOCK_MB = 4.2
"""A block: what one request asks for (4 MiB, and the sample that fills it)."""

WINDOW = 4
"""Blocks that a reader mixes, and downloads at the same time."""

HELD = 3
"""Windows of a reader in memory: one is decoded, one has arrived, one is on its way."""

FLOAT = 4
"""Bytes of what is sent and stored."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is assumed."""

    gpus: tuple[int, ...] = (8, 64, 512)
    """All of them."""

    stage: Literal[0, 1, 2, 3] = 0
    """Of ZeRO."""

    peak_tflops: float = 989.0
    """Of a card, bf16 without sparsity (NVIDIA's data sheet of the H100 SXM: 1,979 with it)."""

    utilisation: float = 0.3
    """Share of it that convolutions reach (an assumption; where there is a GPU, `make gpu-check`
    measures it as the share of the card's peak)."""

    gpus_per_node: int = 8
    """Cards of a machine (EC2 p5.48xlarge)."""

    nvlink_gb_s: float = 450.0
    """From a card to the others of its machine (the same sheet: 900 in both directions)."""

    network_gb_s: float = 50.0
    """From a card to other machines (EC2's page of p5.48xlarge: 3,200 Gbit/s for eight)."""

    hop_us: float = 10.0
    """Of one message between two cards (an assumption)."""

    source_kb: float = 190.0
    """10^3 bytes of a source sample with its label (JPEG of quality 95, 1280x720)."""

    target_kb: float = 140.0
    """10^3 bytes of a target sample (1024x512)."""

    decode_ms: float = 4.0
    """CPU milliseconds to read and decode one sample (docs/scaling.md, measured)."""

    request_ms: float = 100.0
    """Time of one request on a busy object store, until its last byte (S3's performance guide: 100
    to 200 ms for small ones)."""

    disk_gb_s: float = 1.5
    """A rank's writing to its own disk (docs/performance.md: 602 MB in 0.40 s, measured)."""

    upload_gb_s: float = 1.0
    """A machine's uploading (an assumption; S3's performance guide: up to 100 Gbit/s)."""


class Work(NamedTuple):
    """What a step is made of, for one source and one target image."""

    tflop: float
    """10^12 operations, a multiplication and an addition being two."""

    segmenter: int
    """Parameters of the segmenter that are trained."""

    discriminators: int
    """Parameters of the discriminators."""


def main() -> None:
    """Print the tables."""
    options, work = tyro.cli(Options), counted()
    parameters = work.segmenter + work.discriminators
    print(
        f"A pair: {work.tflop:.2f} TFLOP; {parameters / 1e6:.1f} M parameters, of which "
        f"{work.segmenter / 1e6:.1f} M are the segmenter's\n"
    )
    _print_steps(options, work)
    _print_input(options, work)
    _print_checkpoint(options, work)
    print("| formula | says | measured | ratio |\n| --- | ---: | ---: | ---: |")
    for name, said, found in _checks(work):
        print(f"| {name} | {said:.0f} | {found:.0f} | {found / said:.2f} |")


def counted() -> Work:
    """A step of AdvEnt, counted without computing it."""
    chosen = experiment(EXPERIMENT)
    data = chosen.data
    with torch.device("meta"):
        segmenter = build_segmenter(chosen.segmenter, CLASSES)
        judge = Discriminator(CLASSES, chosen.segmenter.discriminator_width)
    flop = 0.0
    for size in (data.source_size, data.target_size):
        width, height = data.augment.crop or size
        # A backward pass has twice the operations of its forward pass.
        flop += 3 * _flop(segmenter, (1, 3, height, width))
    # Of both levels: taught by both domains; fooled by the target, without gradients to weights.
    for (width, height), passes in ((data.source_size, 3), (data.target_size, 3 + 2)):
        flop += 2 * passes * _flop(judge, (1, CLASSES, height, width))
    segmenter_size, judge_size = (
        sum(p.numel() for p in part.parameters() if p.requires_grad) for part in (segmenter, judge)
    )
    return Work(flop / 1e12, segmenter_size, 2 * judge_size)


def _flop(module: nn.Module, shape: tuple[int, ...]) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.empty(shape, device="meta"))
    return float(counter.get_total_flops())


def step_seconds(gpus: int, options: Options, work: Work) -> tuple[float, float]:
    """Seconds of a step that compute, and that communicate.

    Bytes are the least that any algorithm sends, times by how much DeepSpeed was measured to send
    more.
    """
    compute = work.tflop / (options.peak_tflops * options.utilisation)
    parts = {"segmenter": work.segmenter, "discriminators": work.discriminators}
    least = least_bytes(parts, gpus, options.stage) / gpus
    ratios = _kept("ranks")["ratios"]
    sent = least * ratios[f"bytes of a step, ZeRO-{options.stage} / least"]
    speed = options.nvlink_gb_s if gpus <= options.gpus_per_node else options.network_gb_s
    return compute, sent / (speed * 1e9) + 2 * (gpus - 1) * options.hop_us / 1e6


def _print_steps(options: Options, work: Work) -> None:
    print("| GPUs | computes, ms | sends, ms | efficiency | pairs/s |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for gpus in options.gpus:
        compute, send = step_seconds(gpus, options, work)
        share = compute / (compute + send)
        print(
            f"| {gpus} | {1e3 * compute:.0f} | {1e3 * send:.1f} | {share:.2f} | "
            f"{gpus / (compute + send):.0f} |"
        )
    print()


def _print_input(options: Options, work: Work) -> None:
    print("| GPUs | MB/s | requests/s | cores that decode | requests in flight |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for gpus in options.gpus:
        pairs = gpus / sum(step_seconds(gpus, options, work))
        kb = pairs * (options.source_kb + options.target_kb)
        requests = kb / (1000 * BLOCK_MB)
        cores = 2 * pairs * options.decode_ms / 1000
        flying = requests * options.request_ms / 1000
        print(f"| {gpus} | {kb / 1000:.0f} | {requests:.0f} | {cores:.1f} | {flying:.1f} |")
    print(f"\nmemory of one rank's two readers for blocks: {2 * HELD * WINDOW * BLOCK_MB:.0f} MB\n")


def _print_checkpoint(options: Options, work: Work) -> None:
    print("| GPUs | MB of all ranks | the training waits, s | uploaded after, s |")
    print("| ---: | ---: | ---: | ---: |")
    total = checkpoint_bytes(work)
    # From ZeRO-1 on each rank has a share of the segmenter's weights and momentum; else all is of
    # rank 0, as the segmenter's weights as a whole and the discriminators are at any stage.
    shared = 2 * FLOAT * work.segmenter if options.stage else 0
    for gpus in options.gpus:
        first = total - shared + shared / gpus
        machines = max(1, gpus // options.gpus_per_node)
        of_machine = total - shared + shared / machines
        print(
            f"| {gpus} | {total / 1e6:.0f} | {first / options.disk_gb_s / 1e9:.2f} | "
            f"{of_machine / options.upload_gb_s / 1e9:.2f} |"
        )
    print()


def checkpoint_bytes(work: Work) -> int:
    """Weights and momentum of the segmenter, and its weights as a whole; discriminators by Adam."""
    return FLOAT * (3 * work.segmenter + 3 * work.discriminators)


def _checks(work: Work) -> list[tuple[str, float, float]]:
    parts = {"segmenter": work.segmenter, "discriminators": work.discriminators}
    ranks = {row["stage"]: row for row in _kept("ranks")["rows"] if "bytes" in row}
    found = [
        (
            f"MB of a step, two ranks, ZeRO-{stage}",
            least_bytes(parts, 2, stage) / 1e6,
            row["bytes"] / 1e6,
        )
        for stage, row in ranks.items()
    ]
    stored = next(row["megabytes"] for row in _kept("checkpoint")["rows"] if "megabytes" in row)
    return [*found, ("MB of a checkpoint", checkpoint_bytes(work) / 1e6, stored)]


def _kept(name: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return kept


if __name__ == "__main__":
    main()
