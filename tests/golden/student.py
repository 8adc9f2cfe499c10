"""The tiny network, batches and draws that whole self-training steps were published with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advent_dist.config import DAFormerConfig, MethodConfig, MICConfig, OptimizerConfig
from advent_dist.config.override import override
from advent_dist.methods import masked, mixed
from advent_dist.methods.base import Method
from advent_dist.models.decoders.daformer import DAFormerDecoder
from advent_dist.models.network import SingleScale
from advent_dist.models.segmenter import Normalise, Segmenter
from advent_dist.parallel.world import World
from advent_dist.training import assembly
from advent_dist.types import DomainBatch
from tests.golden.reference_weights import fill
from tests.helpers import tiny_experiment

FOLDER = Path(__file__).parent / "reference" / "methods"

_HEIGHT, _WIDTH, _CELL = 64, 96, 32
_CLASSES = torch.tensor([0, 2, 6, 11, 13, 18, 8, 10])
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


def batches() -> list[DomainBatch]:
    """Three normalised batches of two images, by the reference's rule."""
    made = []
    for step in range(3):

        def random(key: int, step: int = step) -> torch.Generator:
            return torch.Generator().manual_seed(key + step)

        source = torch.randn(2, 3, _HEIGHT, _WIDTH, generator=random(1000))
        target = torch.randn(2, 3, _HEIGHT, _WIDTH, generator=random(2000))
        cells = (2, 1, _HEIGHT // _CELL, _WIDTH // _CELL)
        label = _CLASSES[torch.randint(0, 8, cells, generator=random(3000))]
        label = label.repeat_interleave(_CELL, 2).repeat_interleave(_CELL, 3)
        label[:, :, ::_CELL] = 1
        label[:, :, 1::_CELL] = 1
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
    """`daformer` or `mic` as the reference was run."""
    options: dict[str, Any] = {
        "threshold": threshold,
        "unlabelled_top": 3,
        "unlabelled_bottom": 8,
        "fd_classes": (6, 7, *range(11, 19)),
        **_NOTHING_BY_CHANCE,
    }
    return DAFormerConfig(**options) if name == "daformer" else MICConfig(**options)


class Trained(NamedTuple):
    """What three steps of the product came to."""

    rows: list[dict[str, float]]
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            assembly,
            "build_segmenter",
            lambda *_: Segmenter(TinyNetwork(), Normalise((0.0,) * 3, (1.0,) * 3)),
        )
        sizes = {"data.source_size": (_WIDTH, _HEIGHT), "data.target_size": (_WIDTH, _HEIGHT)}
        experiment = replace(
            override(tiny_experiment("streets_source_only"), {**sizes, **engine}),
            method=config(name, float(golden["threshold"])),
            optimizer=OptimizerConfig(segmenter="adamw", segmenter_lr=6e-4, weight_decay=0.01),
        )
        method = assembly.build_method(experiment, world, torch.full((19,), 1 / 19))
        rows = []
        for step, batch in enumerate(batches()):
            _draw_as(golden, step, patch)
            rows.append({key: value.item() for key, value in method.step(batch).items()})
    weights = method.engines["segmenter"].weights()
    return _trained(rows, method, weights) if world.is_main else None


def _draw_as(golden: Any, step: int, patch: pytest.MonkeyPatch) -> None:
    chosen = torch.zeros(2, 256, dtype=torch.bool)
    for image, classes in enumerate(golden["chosen_classes"][step]):
        chosen[image, [int(one) for one in classes if one >= 0]] = True
    patch.setattr(mixed, "choose_classes", lambda *_: chosen)
    if "mask_uniform" in golden:
        draws = torch.from_numpy(golden["mask_uniform"][step][:, 0])
        patch.setattr(masked.blocks, "kept", lambda _, *rest: _KEPT(draws, *rest))


def _trained(rows: list[dict[str, float]], method: Method, weights: dict[str, Tensor]) -> Trained:
    teacher = method.kept["teacher"].module
    student = method.engines["segmenter"].module

    def norms(values: Any) -> dict[str, float]:
        return {
            name.removeprefix("network."): float(value.double().norm()) for name, value in values
        }

    parameters = {name for name, _ in teacher.named_parameters()}
    return Trained(
        rows=rows,
        student=norms((name, value) for name, value in weights.items() if name in parameters),
        teacher=norms(teacher.named_parameters()),
        student_buffers=norms(student.named_buffers()),
        teacher_buffers=norms(teacher.named_buffers()),
    )


def assert_as_published(name: str, trained: Trained) -> None:
    """Hold three steps of `daformer` or `mic` against the reference, at its tolerances."""
    golden = np.load(FOLDER / f"steps_{name}.npz")
    keys = ["loss/seg", "loss/fd", "loss/mix", "loss/mask"]
    for step, published in enumerate(golden["losses"]):
        row = trained.rows[step]
        ours = [row[key] for key in keys[: len(published)]]
        ours[1] *= 0.005  # the reference has it weighted
        assert ours == pytest.approx(published.tolist(), rel=1e-4, abs=1e-8), f"step {step}"
        assert row["sure_share"] == pytest.approx(golden["q"][step], abs=1e-4), f"step {step}"
    for names, ours, published in (
        ("parameter_names", trained.student, "student_norms"),
        ("parameter_names", trained.teacher, "teacher_norms"),
        ("buffer_names", trained.student_buffers, "student_buffer_norms"),
        ("buffer_names", trained.teacher_buffers, "teacher_buffer_norms"),
    ):
        found = [ours[key] for key in golden[names]]
        np.testing.assert_allclose(found, golden[published], rtol=1e-3, err_msg=published)
