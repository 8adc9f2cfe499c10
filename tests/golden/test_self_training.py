"""Self-training (DACS, DAFormer, HRDA, MIC) against numbers of the published code."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from advent_dist.augmentation import blocks, colour
from advent_dist.augmentation.blur import blur, kernel_size
from advent_dist.augmentation.classmix import choose_classes, paste
from advent_dist.augmentation.colour import Jitter
from advent_dist.config import DACSConfig, EngineConfig, ModelConfig
from advent_dist.data.rare import RareOrder, class_probabilities
from advent_dist.experiments import experiment
from advent_dist.losses import all_pixels_cross_entropy, cross_entropy
from advent_dist.methods.feature_distance import feature_distance, main_class
from advent_dist.methods.pseudo_labels import pseudo_labels
from advent_dist.models.segmenter import build_segmenter
from advent_dist.parallel.average import Average
from advent_dist.parallel.local import LocalEngine
from advent_dist.parallel.world import World
from advent_dist.training.optimizers import segmenter_optimizer
from advent_dist.training.schedule import lr_factor
from tests.golden.student import FOLDER, assert_as_published, batches, train_three_steps


def _load(name: str) -> SimpleNamespace:
    """A golden file's arrays as tensors; what is no number as it is."""
    arrays = np.load(FOLDER / f"{name}.npz")
    return SimpleNamespace(
        **{
            key: torch.from_numpy(arrays[key]) if arrays[key].ndim else arrays[key].item()
            for key in arrays.files
        }
    )


@pytest.mark.parametrize("change", ["brightness", "contrast", "saturation", "hue"])
def test_one_change_of_colour(change: str) -> None:
    golden = _load("jitter")
    functions = {
        "brightness": colour.brighten,
        "contrast": colour.contrast,
        "saturation": colour.saturate,
        "hue": colour.turn_hue,
    }
    values = getattr(golden, change).view(-1, 1, 1, 1)
    changed = functions[change](golden.image, values)
    torch.testing.assert_close(changed, getattr(golden, f"only_{change}"), rtol=0, atol=1e-5)


def test_all_changes_of_colour() -> None:
    golden = _load("jitter")
    names = ("brightness", "contrast", "saturation", "hue")
    jitter = Jitter(**{name: getattr(golden, name) for name in names}, order=[2, 0, 3, 1])
    expected = golden.all_order_saturation_brightness_hue_contrast
    torch.testing.assert_close(jitter(golden.image), expected, rtol=0, atol=1e-5)


def test_blur() -> None:
    golden = _load("jitter")
    assert [
        kernel_size(side) for side in golden.blur_image.shape[2:]
    ] == golden.blur_kernel.tolist()
    blurred = blur(golden.blur_image, golden.blur_sigma)
    torch.testing.assert_close(blurred, golden.blurred, rtol=0, atol=1e-5)


def _as_mask(classes: Tensor) -> Tensor:
    chosen = torch.zeros(len(classes), 256, dtype=torch.bool)
    for image, ids in enumerate(classes):
        chosen[image, ids[ids >= 0]] = True
    return chosen


@pytest.mark.parametrize(("code", "among"), [("daformer", "batch"), ("dacs", "image")])
def test_classmix(code: str, among: Any) -> None:
    golden = _load("classmix")
    published = _as_mask(getattr(golden, f"chosen_{code}"))
    ours = choose_classes(golden.source_label, torch.rand(2, 256), among)
    assert ours.sum(1).tolist() == published.sum(1).tolist()
    mask = paste(published, golden.source_label)
    assert mask.equal(getattr(golden, f"mask_{code}").bool())


def test_mixed_images_labels_and_weights() -> None:
    golden = _load("classmix")
    mask = paste(_as_mask(golden.chosen_daformer), golden.source_label)
    for ours, published in (
        (torch.where(mask[:, None], golden.source, golden.target), golden.mixed_image),
        (torch.where(mask, golden.source_label, golden.pseudo_label), golden.mixed_label),
        (torch.where(mask, 1.0, golden.pseudo_weight), golden.mixed_weight),
    ):
        assert ours.equal(published)
    mask = paste(_as_mask(golden.chosen_dacs), golden.source_label)[0]
    mixed = torch.where(mask, golden.source[0], golden.target[0])
    assert mixed.equal(golden.dacs_mixed_image_0)
    label = torch.where(mask, golden.source_label[0], golden.pseudo_label[0])
    assert label.equal(golden.dacs_mixed_label_0)


def test_losses_over_valid_and_over_all_pixels() -> None:
    golden = _load("mixed_loss")
    for ours, published in (
        (cross_entropy(golden.logits, golden.source_label), golden.loss_source_dacs),
        (all_pixels_cross_entropy(golden.logits, golden.source_label), golden.loss_source_mmseg),
        (
            all_pixels_cross_entropy(golden.logits, golden.mixed_label, golden.mixed_weight),
            golden.loss_mixed,
        ),
    ):
        assert float(ours) == pytest.approx(published, rel=1e-6)


def test_pseudo_labels() -> None:
    golden = _load("pseudo_label")
    probabilities = golden.logits.softmax(1)
    whole = pseudo_labels(probabilities, DACSConfig(threshold=golden.threshold), World())
    assert whole.label.equal(golden.label)
    assert whole.weight.equal(golden.weight)
    config = DACSConfig(threshold=golden.threshold, unlabelled_top=2, unlabelled_bottom=3)
    cut = pseudo_labels(probabilities, config, World())
    assert cut.weight.equal(golden.weight_top2_bottom3)
    assert cut.sure == whole.sure, "the share is taken before rows are left out"


@pytest.mark.parametrize(
    ("rows", "most", "updates", "students"),
    [
        # DAFormer copies at step 0 and follows before each later one.
        ("teacher_alpha0999_iter_1_2_3", 0.999, 1, (1, 2, 3)),
        ("teacher_alpha099_iter_98_99_100", 0.99, 98, (1, 2, 3)),
        # DACS follows after each step; its first update copies.
        ("teacher_dacs_after_iter_0_1_2", 0.99, 0, (1, 2, 3)),
    ],
)
def test_teacher(rows: str, most: float, updates: int, students: tuple[int, ...]) -> None:
    golden = _load("ema")
    expected = getattr(golden, rows)
    student, teacher = (nn.ParameterList([torch.zeros(5)]) for _ in range(2))
    teacher[0].data.copy_(golden.students[0])
    config, world = EngineConfig(kind="local"), World()
    engine = LocalEngine(student, torch.optim.SGD(student.parameters(), lr=1), config, world)
    average = Average(teacher, config, world)
    average.updates = updates
    for number, row in zip(students, expected[-3:], strict=True):
        student[0].data.copy_(golden.students[number])
        average.follow(engine, most)
        torch.testing.assert_close(teacher[0].data, row, rtol=0, atol=1e-6)


def test_feature_distance() -> None:
    golden = _load("feature_distance")
    features = golden.feature.requires_grad_()
    coarse = main_class(golden.label, 19, features.shape[2:], 0.75)
    assert coarse.equal(golden.downscaled_label)
    held = torch.isin(coarse, golden.thing_classes)
    assert held.equal(golden.mask)
    total, count = feature_distance(features, golden.imagenet_feature, held)
    loss = total / count
    assert loss.item() == pytest.approx(golden.loss_unweighted, rel=1e-6)
    (0.005 * loss).backward()
    torch.testing.assert_close(features.grad, golden.grad_of_0005_loss, rtol=1e-6, atol=1e-9)


def test_learning_rates() -> None:
    golden = _load("lr")
    daformer, vfm_uda = (
        experiment(f"gta5_cityscapes_{name}").optimizer for name in ("daformer", "vfm_uda")
    )
    factors = np.array([lr_factor(step, daformer) for step in golden.steps.tolist()])
    for times, name in ((1, "daformer_backbone_lr"), (10, "daformer_head_lr")):
        rates = factors * daformer.segmenter_lr * times
        np.testing.assert_allclose(rates, getattr(golden, name), rtol=1e-12)
    factors = np.array([lr_factor(step, vfm_uda) for step in golden.vfm_steps.tolist()])
    np.testing.assert_allclose(factors, golden.vfm_factor, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", ["a", "b", "c"])
def test_masks_of_blocks(case: str) -> None:
    golden = _load("mic")
    mask, draws = getattr(golden, f"{case}_mask").bool(), getattr(golden, f"{case}_uniform")[:, 0]
    block, ratio = getattr(golden, f"{case}_block_ratio").tolist()
    height, width = mask.shape[1:]
    assert draws.shape[1:] == blocks.grid(height, width, int(block))
    assert blocks.kept(draws, ratio, height, width)[:, 0].equal(mask)


def test_masked_loss() -> None:
    golden = _load("mic")
    loss = all_pixels_cross_entropy(
        golden.student_logits, golden.pseudo_label, golden.pseudo_weight
    )
    assert float(loss) == pytest.approx(golden.masked_loss, rel=1e-6)


@pytest.mark.parametrize(("name", "scale"), [("mic", 1), ("mic_hrda", 2)])
def test_the_inputs_of_whole_steps_are_the_published_ones(name: str, scale: int) -> None:
    sums = [
        (float(b.source_image.sum()), float(b.source_label.sum()), float(b.target_image.sum()))
        for b in batches(scale)
    ]
    published = np.load(FOLDER / f"steps_{name}.npz")["input_sums"][:, :3]
    np.testing.assert_allclose(sums, published, rtol=1e-5, atol=0.01)


@pytest.mark.parametrize("name", ["daformer", "mic", "hrda", "mic_hrda"])
def test_three_steps(name: str) -> None:
    trained = train_three_steps(World(), name, {"engine.kind": "local"})
    assert trained is not None
    assert_as_published(name, trained)


def test_rare_class_sampling() -> None:
    golden = np.load(FOLDER / "rcs.npz")
    files = json.loads(str(golden["sample_class_stats"]))
    counts = np.zeros((len(files), 19), np.int64)
    for row, stats in enumerate(files):
        for key, pixels in stats.items():
            if key.isdigit():
                counts[row, int(key)] = pixels
    kept = json.loads(str(golden["kept_files_min3000"]))
    everywhere = np.ones(19, dtype=bool)
    for name, temperature in (
        ("T001", 0.01),
        ("T005", 0.05),
        ("T01", 0.1),
        ("T1", 1.0),
        ("Tinf", math.inf),
    ):
        ours = class_probabilities(counts.sum(0), temperature, everywhere)
        np.testing.assert_allclose(ours[golden["rcs_classes"]], golden[f"prob_{name}"], atol=1e-5)
        assert ours.sum() == pytest.approx(1)
    order = RareOrder(
        block_sizes=(len(files),), seed=0, pixels=counts, temperature=1e9, min_pixels=3000
    )
    drawn: dict[str, set[str]] = {}
    for portion in order.portions(0, 0, 3000):
        assert portion.drawn is not None
        for (_, sample), (_, one) in zip(portion.picks, portion.drawn, strict=True):
            drawn.setdefault(str(one), set()).add(Path(files[sample]["file"]).name)
    assert drawn == {one: set(names) for one, names in kept.items() if names}


@pytest.mark.parametrize(
    ("version", "name"), [("v1", "vfm_uda"), ("plusplus", "vfm_uda_plus_plus")]
)
def test_learning_rates_of_vfm_uda(version: str, name: str) -> None:
    """The decoder's, then those of twelve blocks from the deepest on, and of what is before."""
    published = np.load(FOLDER / "vfm_rates.npz")[f"{version}_lrs"]
    with torch.device("meta"):
        segmenter = build_segmenter(
            ModelConfig(encoder="vit_small_patch14_dinov2", decoder="upscaling", multi_level=False),
            19,
        )
    config = experiment(f"gta5_cityscapes_{name}").optimizer
    *encoder, decoder = segmenter_optimizer(segmenter, config).param_groups
    rates = [group["lr"] for group in encoder] * (13 if config.layer_decay == 1 else 1)
    np.testing.assert_allclose([decoder["lr"], *rates], published, rtol=1e-6)
