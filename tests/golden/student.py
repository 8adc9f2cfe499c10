"""The tiny network, batches and draws that whole self-training steps were published with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advent_dist.config import (
    DAFormerConfig,
    HRDAConfig,
    MethodConfig,
    MICConfig,
    MICHRDAConfig,
    OptimizerConfig,
)
from advent_dist.config.override import override
from advent_dist.methods import masked, mean_teacher, mixed
from advent_dist.methods.base import Method
from advent_dist.methods.mean_teacher import MeanTeacher
from advent_dist.methods.pseudo_labels import PseudoLabels
from advent_dist.models import hrda
from advent_dist.models.decoders.daformer import DAFormerDecoder
from advent_dist.models.decoders.segformer import SegFormerDecoder
from advent_dist.models.hrda import HRDANetwork
from advent_dist.models.network import SingleScale
from advent_dist.models.segmenter import Normalise, Segmenter
from advent_dist.models.sliding import Window
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.training.tasks import segmentation
from advent_dist.types import DomainBatch
from tests.golden.reference_weights import fill
from tests.helpers import tiny_experiment

FOLDER = Path(__file__).parent / "reference" / "methods"

_HEIGHT, _WIDTH, _CELL = 64, 96, 32  # twice as large for HRDA
_TWICE = ("hrda", "mic_hrda")
_CLASSES = torch.tensor([0, 2, 6, 11, 13, 18, 8, 10])
_CANCELLED = re.compile(r"decode_head\.scale_attention\.embed_layers\.\d\.proj\.bias")
"""The BatchNorm after them takes these biases out again: their gradient is a rounding error, which
AdamW makes as large as any other."""
_KEPT = masked.blocks.kept
_NOTHING_BY_CHANCE = {"jitter_probability": 0.0, "blur_probability": 0.0}


class _Stages(nn.Module):
    """Four convolutions, whose maps are the pyramid."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Conv2d(inner, outer, kernel, stride=stride, padding=kernel // 2)
            for inner, outer, kernel, stride in (
                (3, 8, 7, 4),
                (8, 16, 3, 2),
                (16, 20, 3, 2),
                (20, 32, 3, 2),
            )
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        features = []
        for stage in self.stages:
            image = F.relu(stage(image))
            features.append(image)
        return features


class TinyNetwork(SingleScale):
    """That encoder and DAFormer's decoder, filled by the reference's rule, without dropout."""

    align_corners = False

    def __init__(self) -> None:
        super().__init__()
        self.backbone = _Stages()
        self.decode_head = DAFormerDecoder((8, 16, 20, 32), num_classes=19, width=16)
        self.decode_head.dropout.p = 0.0
        fill(self.backbone, "backbone.")
        fill(self.decode_head, "decode_head.")

    def encode(self, image: Tensor) -> list[Tensor]:
        features: list[Tensor] = self.backbone(image)
        return features

    def decode(self, features: list[Tensor]) -> tuple[Tensor | None, Tensor]:
        return None, self.decode_head(features)

    @property
    def heads(self) -> list[nn.Module]:
        return [self.decode_head]


def tiny_hrda() -> HRDANetwork:
    """The same in two resolutions; its attention is as wide as published."""
    attention = SegFormerDecoder((8, 16, 20, 32), num_classes=19, width=None)
    attention.dropout.p = 0.0
    network = HRDANetwork(TinyNetwork(), attention, (_WIDTH, _HEIGHT))
    for name, module in ("head", network.single.heads[0]), ("scale_attention", attention):
        fill(module, f"decode_head.{name}.")
    return network


def batches(scale: int = 1) -> list[DomainBatch]:
    """Three normalised batches of two images, by the reference's rule, `scale` times as large."""
    made = []
    height, width, cell = (scale * side for side in (_HEIGHT, _WIDTH, _CELL))
    for step in range(3):

        def random(key: int, step: int = step) -> torch.Generator:
            return torch.Generator().manual_seed(key + step)

        source = torch.randn(2, 3, height, width, generator=random(1000))
        target = torch.randn(2, 3, height, width, generator=random(2000))
        cells = (2, 1, height // cell, width // cell)
        label = _CLASSES[torch.randint(0, 8, cells, generator=random(3000))]
        label = label.repeat_interleave(cell, 2).repeat_interleave(cell, 3)
        label[:, :, ::cell] = 1
        label[:, :, 1::cell] = 1
        label[0, :, :4] = 255
        source = source + ((label.float() - 9) / 6) * (label != 255)
        made.append(
            DomainBatch(
                source_image=source,
                source_label=label[:, 0].to(torch.uint8),
                target_image=target,
            )
        )
    return made


def config(name: str, threshold: float) -> MethodConfig:
    """`daformer`, `mic`, `hrda` or `mic_hrda` as the reference was run."""
    scale = 2 if name in _TWICE else 1
    options: dict[str, Any] = {
        "threshold": threshold,
        "unlabelled_top": 3 * scale,
        "unlabelled_bottom": 20 if name in _TWICE else 8,
        "fd_classes": (6, 7, *range(11, 19)),
        **_NOTHING_BY_CHANCE,
    }
    if name in _TWICE:
        options["unlabelled_left"] = 5
    if name == "mic_hrda":
        options["mask_block"] = 32
    configs: dict[str, Callable[..., MethodConfig]] = {
        "daformer": DAFormerConfig,
        "mic": MICConfig,
        "hrda": HRDAConfig,
        "mic_hrda": MICHRDAConfig,
    }
    return configs[name](**options)


class Trained(NamedTuple):
    """What three steps of the product came to."""

    rows: list[dict[str, float]]
    labelled: list[list[int]]
    student: dict[str, float]
    teacher: dict[str, float]
    student_buffers: dict[str, float]
    teacher_buffers: dict[str, float]


def train_three_steps(world: World, name: str, engine: dict[str, Any]) -> Trained | None:
    """Three steps of the product's method on its engine, with the reference's draws.

    Returns:
        On rank 0: the metrics of each step, and L2 norms of parameters and buffers by name.
    """
    golden = np.load(FOLDER / f"steps_{name}.npz")
    scale, network = (2, tiny_hrda) if name in _TWICE else (1, TinyNetwork)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            segmentation,
            "build_segmenter",
            lambda *_: Segmenter(network(), Normalise((0.0,) * 3, (1.0,) * 3)),
        )
        size = (scale * _WIDTH, scale * _HEIGHT)
        sizes = {"data.source_size": size, "data.target_size": size}
        plain = override(tiny_experiment("streets_source_only"), {**sizes, **engine})
        model = replace(
            plain.model,
            multi_level=False,
            detail_crop=(_WIDTH, _HEIGHT) if name in _TWICE else None,
        )
        experiment = replace(
            plain,
            model=model,
            method=config(name, float(golden["threshold"])),
            optimizer=OptimizerConfig(segmenter="adamw", segmenter_lr=6e-4, weight_decay=0.01),
        )
        method = build_method(experiment, world, torch.full((19,), 1 / 19))
        rows = []
        labelled = _counting_labels(patch)
        for step, batch in enumerate(batches(scale)):
            _draw_as(golden, step, patch)
            rows.append({key: value.item() for key, value in method.step(batch).items()})
    weights = method.engines["segmenter"].weights()
    return _trained(rows, labelled, method, weights) if world.is_main else None


def _draw_as(golden: Any, step: int, patch: pytest.MonkeyPatch) -> None:
    chosen = torch.zeros(2, 256, dtype=torch.bool)
    for image, classes in enumerate(golden["chosen_classes"][step]):
        chosen[image, [int(one) for one in classes if one >= 0]] = True
    patch.setattr(mixed, "choose_classes", lambda *_: chosen)
    if "mask_uniform" in golden:
        draws = torch.from_numpy(golden["mask_uniform"][step][:, 0])
        patch.setattr(masked.blocks, "kept", lambda _, *rest: _KEPT(draws, *rest))
    if "detail_boxes" in golden:
        boxes = iter(golden["detail_boxes"][step].tolist())
        patch.setattr(hrda, "draw_window", lambda *_: _window(*next(boxes)))


def _counting_labels(patch: pytest.MonkeyPatch) -> list[list[int]]:
    """How many pixels of each class the teacher labels, a row for each time that it does."""
    counts: list[list[int]] = []
    label = mean_teacher.MeanTeacher.label

    def counted(teacher: MeanTeacher, *args: Any, **options: Any) -> PseudoLabels:
        labels = label(teacher, *args, **options)
        counts.append(torch.bincount(labels.label.flatten().long(), minlength=19).tolist())
        return labels

    patch.setattr(mean_teacher.MeanTeacher, "label", counted)
    return counts


def _window(top: int, bottom: int, left: int, right: int) -> Window:
    return Window(top, left, bottom - top, right - left)


def _trained(
    rows: list[dict[str, float]],
    labelled: list[list[int]],
    method: Method,
    weights: dict[str, Tensor],
) -> Trained:
    teacher = method.kept["teacher"].module
    student = method.engines["segmenter"].module

    def norms(values: Any) -> dict[str, float]:
        return {_published(name): float(value.double().norm()) for name, value in values}

    parameters = {name for name, _ in teacher.named_parameters()}
    return Trained(
        rows=rows,
        labelled=labelled,
        student=norms((name, value) for name, value in weights.items() if name in parameters),
        teacher=norms(teacher.named_parameters()),
        student_buffers=norms(student.named_buffers()),
        teacher_buffers=norms(teacher.named_buffers()),
    )


def _published(name: str) -> str:
    """The reference's name of a parameter or buffer."""
    name = name.removeprefix("network.")
    for ours, theirs in (
        ("single.decode_head.", "decode_head.head."),
        ("single.", ""),
        ("scale_attention.", "decode_head.scale_attention."),
    ):
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def assert_as_published(name: str, trained: Trained) -> None:
    """Hold three steps of a method against the reference, at its tolerances."""
    golden = np.load(FOLDER / f"steps_{name}.npz")
    # The reference has its losses weighted.
    weights = {"loss/fd": 0.005}
    keys = ["loss/seg", "loss/fd", "loss/mix", "loss/mask"]
    if name in _TWICE:
        terms = ["loss/seg", "loss/mix", "loss/mask"]
        keys = [key for term in terms for key in (term, f"{term}_detail")]
        keys.insert(2, "loss/fd")
        weights |= {
            key: 0.1 if key.endswith("_detail") else 0.9 for key in keys if key != "loss/fd"
        }
    for step, published in enumerate(golden["losses"]):
        row = trained.rows[step]
        ours = [row[key] * weights.get(key, 1.0) for key in keys[: len(published)]]
        assert ours == pytest.approx(published.tolist(), rel=1e-4, abs=1e-8), f"step {step}"
        assert row["sure_share"] == pytest.approx(golden["q"][step], abs=1e-4), f"step {step}"
        # Nearly equal probabilities of a pixel may come out either way.
        moved = np.abs(trained.labelled[step] - golden["pseudo_label_histogram"][step])
        assert moved.sum() <= 4, f"step {step}"
    for names, ours, published in (
        ("parameter_names", trained.student, "student_norms"),
        ("parameter_names", trained.teacher, "teacher_norms"),
        ("buffer_names", trained.student_buffers, "student_buffer_norms"),
        ("buffer_names", trained.teacher_buffers, "teacher_buffer_norms"),
    ):
        told = [not _CANCELLED.fullmatch(key) for key in golden[names]]
        found = np.array([ours[key] for key in golden[names]])
        np.testing.assert_allclose(
            found[told], golden[published][told], rtol=1e-3, err_msg=published
        )
