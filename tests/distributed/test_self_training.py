"""Self-training on several ranks and at every ZeRO stage: the published steps, and one run's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advent_dist.config import (
    DACSConfig,
    MICConfig,
    MICHRDAConfig,
    ModelConfig,
    VFMUDAConfig,
    VFMUDAPlusPlusConfig,
)
from advent_dist.config.override import override
from advent_dist.methods import masked, mixed
from advent_dist.methods.base import Method
from advent_dist.models import hrda
from advent_dist.models.encoder import Encoder
from advent_dist.models.hrda import HRDANetwork
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.models.sliding import Window
from advent_dist.parallel.average import Average
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.training.tasks import segmentation
from advent_dist.types import IGNORE_INDEX, DomainBatch
from tests.golden.student import assert_as_published, train_three_steps
from tests.helpers import random_batch, run_ranks, tiny_experiment

STAGES = [0, 1, 2, 3]


def _engine(stage: int | None) -> dict[str, Any]:
    if stage is None:
        return {"engine.kind": "local"}
    # By default small networks would stay whole, and the test would prove nothing.
    return {
        "engine.kind": "deepspeed",
        "engine.zero_stage": stage,
        "engine.zero3_persistence_threshold": 0,
    }


@pytest.mark.parametrize("name", ["daformer", "mic", "hrda", "mic_hrda"])
@pytest.mark.parametrize("stage", STAGES)
def test_the_published_steps(name: str, stage: int) -> None:
    (trained,) = run_ranks(train_three_steps, 1, name, _engine(stage))
    assert_as_published(name, trained)


def _images(step: int, first: int, last: int) -> DomainBatch:
    """Some of four images of both domains, of one size."""
    whole = [random_batch(step * 10 + pair) for pair in (0, 1)]
    source, label, target = (
        torch.cat([getattr(batch, name) for batch in whole])[first:last]
        for name in ("source_image", "source_label", "target_image")
    )
    # Blocks of one class: features need a class that fills them. All of them have one: DACS takes
    # the mean over labelled pixels, of which ranks could have different numbers.
    label = label.where(label != IGNORE_INDEX, 0)
    label = label[:, ::32, ::32].repeat_interleave(32, 1).repeat_interleave(32, 2)
    return DomainBatch(source_image=source, source_label=label, target_image=target[..., :64])


def _method(world: World, name: str, changes: dict[str, Any]) -> Method:
    """A method on a network without BatchNorm, whose statistics each rank has of its own."""
    experiment = override(
        replace(tiny_experiment("streets_source_only"), name="tiny"),
        {
            "data.target_size": (64, 64),
            "model.encoder": "test_vit",
            "model.decoder": "linear",
            "model.multi_level": False,
            "optimizer.segmenter": "sgd",
            "optimizer.segmenter_lr": 0.05,
            **changes,
        },
    )
    model = replace(
        experiment.model,
        detail_crop=(32, 32) if name == "mic_hrda" else None,
        mask_token=name == "vfm_uda",
    )
    chosen = replace(experiment, model=model, method=_CONFIGS[name])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segmentation, "build_segmenter", _without_batch_norm_and_dropout)
        return build_method(chosen, world, torch.full((19,), 1 / 19))


def _without_batch_norm_and_dropout(config: ModelConfig, num_classes: int) -> Segmenter:
    segmenter = build_segmenter(config, num_classes)
    if isinstance(segmenter.network, HRDANetwork):
        attention = segmenter.network.scale_attention
        attention.fuse_layer.bn = nn.Identity()
        attention.dropout.p = 0.0
    return segmenter


_NOTHING_BY_CHANCE: dict[str, Any] = {
    "jitter_probability": 0.0,
    "blur_probability": 0.0,
    "threshold": 0.06,  # of 19 classes: some pixels are surer than others
}
_CONFIGS: dict[str, Any] = {
    "dacs": DACSConfig(**_NOTHING_BY_CHANCE),
    "portion": DACSConfig(**_NOTHING_BY_CHANCE, pseudo_labels="portion"),
    "class_balanced": DACSConfig(**_NOTHING_BY_CHANCE, pseudo_labels="class_balanced"),
    "class_capped": DACSConfig(**_NOTHING_BY_CHANCE, pseudo_labels="class_capped"),
    # The first features are far away only once the network has learnt.
    "mic": MICConfig(**_NOTHING_BY_CHANCE, lambda_fd=1.0, mask_block=16),
    "vfm_uda": VFMUDAConfig(**_NOTHING_BY_CHANCE, weak_probability=0.0),
    "vfm_uda_plus_plus": VFMUDAPlusPlusConfig(
        **_NOTHING_BY_CHANCE,
        weak_probability=0.0,
        vivid_probability=0.0,
        mask_block=16,
        lambda_distill_source=1.0,
        lambda_distill_target=1.0,
        distill_encoder="test_vit",
        distill_pretrained=False,
        distill_size=(48, 32),
    ),
    "mic_hrda": MICHRDAConfig(**_NOTHING_BY_CHANCE, lambda_fd=1.0, mask_block=16),
}


@contextmanager
def _draws_of_images(first: int, last: int) -> Iterator[None]:
    """What is drawn belongs to an image, whichever rank has it; windows of detail, to a pass."""
    windows = cycle([Window(0, 24, 32, 32), Window(16, 8, 32, 32), Window(8, 0, 32, 32)])
    random = torch.Generator().manual_seed(0)
    classes = torch.rand(4, 256, generator=random)[first:last]
    masks = torch.rand(4, 4, 4, generator=random)[first:last]
    choose, kept = mixed.choose_classes, masked.blocks.kept
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            mixed, "choose_classes", lambda labels, _, among: choose(labels, classes, among)
        )
        patch.setattr(masked.blocks, "kept", lambda _, *rest: kept(masks, *rest))
        hiding = Encoder.hiding
        patch.setattr(Encoder, "hiding", lambda one, _: hiding(one, masks < 0.7))
        patch.setattr(hrda, "draw_window", lambda *_: next(windows))
        yield


def _train(
    world: World, name: str, changes: dict[str, Any], steps: int = 3
) -> tuple[dict[str, Tensor], dict[str, Tensor], list[dict[str, float]]] | None:
    """Weights of student and teacher, and the metrics as they are reported, on rank 0."""
    method = _method(world, name, changes)
    share = 4 // world.size
    first, last = world.rank * share, (world.rank + 1) * share
    rows = []
    with _draws_of_images(first, last):
        for step in range(steps):
            metrics = method.step(_images(step, first, last))
            rows.append(world.mean({key: value.item() for key, value in metrics.items()}))
    student = {
        f"{name}.{key}": value
        for name, engine in method.engines.items()
        for key, value in engine.weights().items()
    }
    teacher = dict(method.kept["teacher"].module.named_parameters())
    return (student, teacher, rows) if world.is_main else None


def _assert_same(one: Any, other: Any, tolerance: float) -> None:
    for ours, theirs in zip(one[:2], other[:2], strict=True):
        assert ours.keys() == theirs.keys()
        for key, expected in ours.items():
            difference = (theirs[key] - expected).norm() / expected.norm().clamp(min=1e-12)
            assert difference <= tolerance, f"{key}: {difference:.2e}"
    for ours, theirs in zip(one[2], other[2], strict=True):
        # A pixel may lie just above a threshold here, and just below it there.
        near = {"rel": 1e-4, "abs": 3 / (4 * 64 * 64)}
        assert theirs["sure_share"] == pytest.approx(ours["sure_share"], **near)
        losses, others = ({k: v for k, v in one.items() if "loss" in k} for one in (ours, theirs))
        assert others == pytest.approx(losses, rel=1e-4, abs=1e-6)


@cache
def _alone(name: str) -> Any:
    (trained,) = run_ranks(_train, 1, name, _engine(None))
    return trained


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        *((name, None) for name in ("dacs", "portion", "class_balanced", "class_capped")),
        *(("mic", stage) for stage in (None, *STAGES)),
        *(("vfm_uda", stage) for stage in (None, 3)),
        *(("vfm_uda_plus_plus", stage) for stage in (None, 2, 3)),
        *(("mic_hrda", stage) for stage in (None, 0, 3)),
    ],
)
def test_two_ranks_learn_what_one_does_of_all_images(name: str, stage: int | None) -> None:
    trained, _ = run_ranks(_train, 2, name, _engine(stage))
    alone = _alone(name)
    assert alone[2][-1]["sure_share"] > 0
    _assert_same(alone, trained, tolerance=1e-4)


@pytest.mark.parametrize("stage", [None, 0, 3])
def test_in_bf16(stage: int | None) -> None:
    """Nothing is rounded in one network and not in another that it is compared with."""
    engine = {**_engine(stage), "engine.precision": "bf16"}
    ((*_, rows),) = run_ranks(_train, 1, "mic", engine, 2)
    assert rows[0]["loss/fd"] == 0, "nothing is learnt yet"
    for row, expected in zip(rows, _alone("mic")[2], strict=False):
        assert row == pytest.approx(expected, rel=0.02, abs=0.01)


def _interrupted(world: World, stage: int, folder: str) -> tuple[dict[str, Tensor], int]:
    """Two steps, a checkpoint, a new method that goes on from it: the teacher after a third."""
    method = _method(world, "mic", _engine(stage))
    with _draws_of_images(2 * world.rank, 2 * world.rank + 2):
        for step in range(2):
            method.step(_images(step, 2 * world.rank, 2 * world.rank + 2))
        for name, network in method.kept.items():
            network.save(Path(folder) / name)
        world.barrier()
        method = _method(world, "mic", _engine(stage))
        for name, network in method.kept.items():
            network.load(sorted((Path(folder) / name).iterdir()))
        method.step(_images(2, 2 * world.rank, 2 * world.rank + 2))
    teacher = method.kept["teacher"]
    assert isinstance(teacher, Average)
    return dict(teacher.module.named_parameters()), teacher.updates


@pytest.mark.parametrize("stage", [0, 3])
def test_the_teacher_goes_on_where_it_was(stage: int, tmp_path: Path) -> None:
    (teacher, updates), (other, _) = run_ranks(_interrupted, 2, stage, str(tmp_path))
    (_, expected, _), _ = run_ranks(_train, 2, "mic", _engine(stage))
    assert updates == 3
    for name, value in expected.items():
        assert torch.equal(teacher[name], value), name
        assert torch.equal(other[name], value), name


def _apart(world: World, folder: str) -> None:
    method = _method(world, "dacs", _engine(None))
    teacher = method.kept["teacher"]
    if world.rank == 1:
        with torch.no_grad():
            next(teacher.module.parameters()).add_(1e-6)
    teacher.save(Path(folder))


def test_teachers_that_came_apart_are_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="have come apart"):
        run_ranks(_apart, 2, str(tmp_path))
    assert not list(tmp_path.iterdir())
