"""The published training step, spelt out: an independent twin that the methods are compared with.

It differs from ours in every way that must not matter: one backward pass for each half of a
discriminator's loss, the discriminators frozen and thawed by hand, and an optimiser that is told
the encoder's parameters once for each module around them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advent_dist.models.deeplab_v2 import DeepLabV2
from advent_dist.models.discriminator import Discriminator
from advent_dist.types import DomainBatch

SEG_AUX, TARGET_MAIN, TARGET_AUX = 0.1, 1e-3, 2e-4
LR, LR_D = 2.5e-4, 1e-4


def published_steps(
    name: str,
    network: DeepLabV2,
    discriminators: Mapping[str, Discriminator],
    batches: list[DomainBatch],
) -> list[dict[str, float]]:
    """Train the networks in place; the losses of each step under the published log's names."""
    optimizer = _optimizer(network)
    d_optimizers = [
        torch.optim.Adam(d.parameters(), lr=LR_D, betas=(0.9, 0.99))
        for d in discriminators.values()
    ]
    rows = []
    for step, batch in enumerate(batches):
        factor = (1 - step / 250_000) ** 0.9
        optimizer.param_groups[0]["lr"] = LR * factor
        optimizer.param_groups[1]["lr"] = LR * factor * 10
        for one in (optimizer, *d_optimizers):
            one.zero_grad()
        for one in d_optimizers:
            one.param_groups[0]["lr"] = LR_D * factor
        rows.append(_step(name, network, discriminators, batch))
        for one in (optimizer, *(() if name == "MinEnt" else d_optimizers)):
            one.step()
    return rows


def _step(
    name: str,
    network: DeepLabV2,
    discriminators: Mapping[str, Discriminator],
    batch: DomainBatch,
) -> dict[str, float]:
    """Fill the gradients of one step."""
    d_aux, d_main = discriminators["discriminator_aux"], discriminators["discriminator"]
    row: dict[str, Tensor] = {}
    for d in (d_aux, d_main):
        d.requires_grad_(False)
    source = [_upsample(logits, batch.source_image) for logits in network(batch.source_image)[:2]]
    for level, logits in zip(("aux", "main"), source, strict=True):
        labelled = batch.source_label != 255
        scores = logits.permute(0, 2, 3, 1)[labelled]
        row[f"loss_seg_src_{level}"] = F.cross_entropy(scores, batch.source_label[labelled].long())
    (row["loss_seg_src_main"] + SEG_AUX * row["loss_seg_src_aux"]).backward()

    target = [_upsample(logits, batch.target_image) for logits in network(batch.target_image)[:2]]
    if name == "MinEnt":
        for level, logits in zip(("aux", "main"), target, strict=True):
            pixels = logits[:, 0].numel()
            row[f"loss_ent_{level}"] = _information(logits).sum() / pixels
        kind = "ent"
    else:
        seen = _information if name == "AdvEnt" else _softmax
        answers = _squared if name == "LS" else _bce
        for level, logits, d in zip(("aux", "main"), target, (d_aux, d_main), strict=True):
            row[f"loss_adv_trg_{level}"] = answers(d(seen(logits)), 0.0)
        kind = "adv_trg"
    (TARGET_MAIN * row[f"loss_{kind}_main"] + TARGET_AUX * row[f"loss_{kind}_aux"]).backward()

    for d in (d_aux, d_main):
        d.requires_grad_(True)
    if name != "MinEnt":
        for answer, maps in ((0.0, source), (1.0, target)):
            for level, logits, d in zip(("aux", "main"), maps, (d_aux, d_main), strict=True):
                half = answers(d(seen(logits.detach())), answer) / 2
                half.backward()
                row[f"loss_d_{level}"] = half
    return {key: value.item() for key, value in row.items()}


def _optimizer(network: DeepLabV2) -> torch.optim.SGD:
    def encoder() -> Iterator[nn.Parameter]:
        stages = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
        for stage in stages:
            for module in getattr(network, stage).modules():
                yield from (p for p in module.parameters() if p.requires_grad)

    heads = [*network.layer5.parameters(), *network.layer6.parameters()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate parameters: what this twin is about
        return torch.optim.SGD(
            [{"params": list(encoder()), "lr": LR}, {"params": heads, "lr": 10 * LR}],
            momentum=0.9,
            weight_decay=5e-4,
        )


def _upsample(logits: Tensor, image: Tensor) -> Tensor:
    return F.interpolate(logits, size=image.shape[2:], mode="bilinear", align_corners=True)


def _information(logits: Tensor) -> Tensor:
    p = logits.softmax(1)
    return -p * torch.log2(p + 1e-30) / math.log2(p.shape[1])


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(1)


def _squared(logits: Tensor, answer: float) -> Tensor:
    return ((logits - answer) ** 2).mean()


def _bce(logits: Tensor, answer: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, answer))
