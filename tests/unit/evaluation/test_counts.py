from __future__ import annotations

import json
import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from advent_dist.data.class_sets import CAMVID_11, CITYSCAPES_19
from advent_dist.data.classes import ClassSet
from advent_dist.errors import DataError, DivergedError
from advent_dist.evaluation import counts as counts_module
from advent_dist.evaluation import labelled, metrics, per_image, unlabelled
from advent_dist.evaluation.certainty import pixel_entropy
from advent_dist.evaluation.counts import Counts, count, evaluate, summarise
from advent_dist.evaluation.labelled import Accuracy
from advent_dist.evaluation.unlabelled import criteria_of
from advent_dist.parallel.world import World
from advent_dist.types import EvaluationBatch
from tests.fake_gpu import GPU, fake_gpu
from tests.helpers import run_ranks

CPU = torch.device("cpu")
CLASSES = 11


def same(ours: Counts, theirs: Counts) -> bool:
    return all(
        torch.allclose(getattr(one, f.name), getattr(other, f.name), rtol=1e-6)
        for one, other in (
            (ours.predictions, theirs.predictions),
            (ours.labels, theirs.labels),
        )
        for f in fields(one)
    )


def accuracy(counts: Counts, classes: ClassSet = CAMVID_11) -> Accuracy:
    found = summarise(counts, classes).accuracy
    assert found is not None
    return found


def scene(seed: int, n: int = 1, size: tuple[int, int] = (24, 32)) -> tuple[Tensor, Tensor]:
    """Logits that are right more often than not, and blocky labels with some ignored pixels."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, CLASSES, (n, size[0] // 8, size[1] // 8), generator=random)
    label = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)
    logits = 2 * torch.randn(n, CLASSES, *size, generator=random)
    logits.scatter_add_(1, label[:, None], torch.full((n, 1, *size), 3.0))
    label[:, :, :3] = 255
    return logits, label.byte()


def batches(sizes: list[int]) -> list[EvaluationBatch]:
    return [
        EvaluationBatch(
            image=torch.randint(0, 256, (n, 3, 12, 16), dtype=torch.uint8),
            label=scene(seed, n)[1],
            keys=tuple(f"{seed}_{i}" for i in range(n)),
        )
        for seed, n in enumerate(sizes)
    ]


class Linear:
    """A predictor of one pixel each, upsampled; it counts its forwards."""

    def __init__(self, seed: int) -> None:
        self.weight = torch.randn(CLASSES, 3, generator=torch.Generator().manual_seed(seed)) / 64
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        assert not torch.is_grad_enabled()
        self.shapes.append(tuple(image.shape))
        logits = torch.einsum("kc,nchw->nkhw", self.weight, image.float())
        return torch.nn.functional.interpolate(logits, size, mode="bilinear", align_corners=True)


def test_entropy_is_one_for_equal_and_zero_for_certain_classes() -> None:
    logits = torch.zeros(1, CLASSES, 1, 2)
    logits[0, 3, 0, 1] = 200.0
    assert pixel_entropy(logits).flatten().tolist() == pytest.approx([1.0, 0.0], abs=1e-6)


def test_counts_of_two_batches_add_up_to_those_of_both() -> None:
    (first, first_label), (second, second_label) = scene(1), scene(2)
    both = count(torch.cat([first, second]), torch.cat([first_label, second_label]))
    assert same(count(first, first_label) + count(second, second_label), both)
    assert same(Counts.zeros(CLASSES, CPU) + both, both)
    assert not same(count(first, first_label), both)


@pytest.mark.parametrize("band", [1, 2 * 11 * 32 * 7, 2**24])
def test_counts_do_not_depend_on_the_bands(band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, label = scene(3, n=2)
    expected = count(logits, label)
    monkeypatch.setattr("advent_dist.evaluation.counts._BAND_LOGITS", band)
    found = count(logits, label)
    assert same(found, expected)
    assert torch.equal(found.labels.confusion, expected.labels.confusion)


def test_a_gpu_counts_what_a_cpu_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its way, on the CPU."""
    logits, label = scene(3, n=2)
    expected = count(logits, label)
    monkeypatch.setattr(
        "advent_dist.evaluation.counts._BAND_LOGITS", counts_module._GPU_BAND_LOGITS
    )
    for module in (labelled, metrics, unlabelled):
        monkeypatch.setattr(module, "histogram", metrics.scattered_histogram)
    found = count(logits, label)
    assert same(found, expected)
    for name in ("confusion", "correct", "wrong"):
        assert torch.equal(getattr(found.labels, name), getattr(expected.labels, name))
    assert torch.equal(found.predictions.predicted, expected.predictions.predicted)


@pytest.mark.parametrize("bands", [1, 5])
def test_an_evaluation_waits_for_nothing(bands: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images = batches([1, 2])
    logits = images[0].label.numel() * CLASSES
    monkeypatch.setattr(counts_module, "_GPU_BAND_LOGITS", logits // bands)
    with fake_gpu() as waits:
        predictors = [Linear(0), Linear(1)]
        for one in predictors:
            one.weight = one.weight.to(GPU)
        waits.found.clear()
        total = evaluate(predictors, images, CLASSES, GPU)
    assert waits.found == []
    assert total.labels.confusion.device == GPU


def test_labels_of_other_classes_are_refused() -> None:
    [batch] = batches([1])
    strange = replace(batch, label=torch.full_like(batch.label, CLASSES))
    with pytest.raises(DataError, match="train ids beyond 10: give"):
        evaluate([Linear(0)], [strange], CLASSES, CPU)
    with pytest.raises(DataError, match="train ids beyond 10: give"):
        per_image.overlaps_of([[Linear(0)]], [strange], CLASSES, CPU)


def test_every_pixel_is_in_one_place_of_each_count() -> None:
    logits, label = scene(3, n=2)
    counts = count(logits, label)
    labelled = int((label != 255).sum())
    sums = counts.labels
    assert counts.predictions.predicted.sum() == label.numel()
    assert sums.confusion.sum() == labelled
    assert sums.boundary_pixels + sums.interior_pixels == labelled
    assert sums.correct.sum() == sums.confusion.trace()
    assert sums.correct.sum() + sums.wrong.sum() == labelled
    assert 0 < sums.boundary_pixels < labelled


def test_auroc_is_close_to_the_exact_one() -> None:
    logits, label = scene(4, n=4, size=(64, 64))
    labelled = label != 255
    entropy = pixel_entropy(logits)[labelled].double()
    wrong = (logits.argmax(1) != label)[labelled]
    # Mann-Whitney: the ranks of the wrong pixels among all.
    ranks = torch.empty_like(entropy)
    ranks[entropy.argsort()] = torch.arange(1, entropy.numel() + 1, dtype=torch.float64)
    positives, negatives = int(wrong.sum()), int((~wrong).sum())
    exact = (ranks[wrong].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    found = accuracy(count(logits, label)).error_auroc
    assert 0.6 < exact < 0.999
    assert found == pytest.approx(exact.item(), abs=1e-3)


def test_auroc_still_tells_very_confident_pixels_apart() -> None:
    logits = torch.zeros(1, CLASSES, 2, 2)
    logits[0, 0] = torch.tensor([[14.0, 14.0], [11.0, 11.0]])
    label = torch.tensor([[[0, 0], [1, 1]]], dtype=torch.uint8)
    assert pixel_entropy(logits).max() < 1e-3
    assert accuracy(count(logits, label)).error_auroc == 1.0


def test_summary_of_a_known_scene() -> None:
    label = torch.zeros(1, 10, 10, dtype=torch.uint8)
    label[:, 5:] = 1
    prediction = label.clone().long()
    prediction[:, 5] = 0
    logits = 200.0 * torch.nn.functional.one_hot(prediction, 19).permute(0, 3, 1, 2).float()
    logits[:, :, 4:6] = logits[:, :, 4:6] / 1e6  # all but uniform along the border
    counts = count(logits, label)
    evaluation, criteria = (
        accuracy(counts, CITYSCAPES_19),
        summarise(counts, CITYSCAPES_19).criteria,
    )
    assert evaluation.per_class["road"] == pytest.approx(100 * 50 / 60)
    assert evaluation.per_class["sidewalk"] == pytest.approx(100 * 40 / 50)
    assert math.isnan(evaluation.per_class["sky"])
    assert evaluation.miou == pytest.approx((100 * 50 / 60 + 80) / 2)
    assert evaluation.subsets == pytest.approx({"16": evaluation.miou, "13": evaluation.miou})
    assert evaluation.pixel_accuracy == pytest.approx(90)
    assert criteria.mean_entropy == pytest.approx(0.2, abs=1e-4)
    assert evaluation.boundary_entropy == pytest.approx(0.5, abs=1e-4)
    assert evaluation.interior_entropy == pytest.approx(0, abs=1e-4)
    assert evaluation.error_auroc == pytest.approx((80 + 5) / 90)
    assert criteria.live_classes == 2


def _all_sky() -> Counts:
    """One image of class 0, predicted so."""
    logits = torch.zeros(1, CLASSES, 4, 4)
    logits[:, 0] = 9.0
    return count(logits, torch.zeros(1, 4, 4, dtype=torch.uint8))


def test_json_has_null_for_nan() -> None:
    evaluation = summarise(_all_sky(), CAMVID_11)
    tree = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
    assert tree["per_class"]["sky"] == 100
    assert tree["per_class"]["car"] is None
    assert tree["boundary_entropy"] is None


def test_images_without_labels_are_named() -> None:
    counts = count(torch.zeros(1, CLASSES, 4, 4), torch.full((1, 4, 4), 255, dtype=torch.uint8))
    with pytest.raises(DataError, match="no pixel of the evaluation images has a label"):
        summarise(counts, CAMVID_11)


def test_without_labels_the_predictions_alone_count() -> None:
    logits, label = scene(3, n=2)
    unlabelled = count(logits, torch.full_like(label, 255))
    found = summarise(unlabelled, CAMVID_11, labelled=False)
    assert found.accuracy is None
    assert found.criteria == summarise(count(logits, label), CAMVID_11).criteria
    assert not {"miou", "per_class", "pixel_accuracy"} & found.to_json().keys()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_predictions_that_are_not_finite_are_a_divergence(value: float) -> None:
    """Of one batch among others."""
    logits = torch.zeros(1, CLASSES, 4, 4)
    logits[0, 3, 2, 1] = value
    broken = count(logits, torch.zeros(1, 4, 4, dtype=torch.uint8))
    with pytest.raises(DivergedError, match="predictions are not finite"):
        summarise(_all_sky() + broken, CAMVID_11)


def test_live_classes_ignore_stray_pixels() -> None:
    sums = _all_sky().predictions
    predicted = sums.predicted.clone()
    predicted[:3] = torch.tensor([1_000_000, 99, 101])
    assert criteria_of(replace(sums, predicted=predicted)).live_classes == 2


def test_evaluate_counts_each_batch_at_the_size_of_its_label() -> None:
    model, data = Linear(0), batches([2, 1, 3])
    total = evaluate([model], data, CLASSES, CPU)
    expected = Counts.zeros(CLASSES, CPU)
    with torch.no_grad():
        for batch in data:
            expected = expected + count(model(batch.image, (24, 32)), batch.label)
    assert same(total, expected)
    assert total.predictions.predicted.sum() == 6 * 24 * 32


def test_ensemble_is_the_mean_of_the_logits() -> None:
    first, second, data = Linear(0), Linear(1), batches([2])
    mean = Linear(2)
    mean.weight = (first.weight + second.weight) / 2
    assert same(evaluate([first, second], data, CLASSES, CPU), evaluate([mean], data, CLASSES, CPU))


def _others_have(batches: int) -> Callable[[bool], bool]:
    """Another rank with so many batches."""
    left = iter([True] * batches)
    return lambda own: next(left, False) or own


def test_a_rank_that_has_run_out_goes_on_without_counting() -> None:
    model, alone, data = Linear(0), Linear(0), batches([2, 1])
    padded = evaluate([model], data, CLASSES, CPU, any_left=_others_have(4), size=(16, 12))
    assert same(padded, evaluate([alone], data, CLASSES, CPU))
    assert [shape[0] for shape in model.shapes] == [2, 1, 1, 1]


def test_a_rank_without_any_batch_forwards_black_images() -> None:
    model = Linear(0)
    total = evaluate([model], [], CLASSES, CPU, any_left=_others_have(2), size=(20, 10))
    assert same(total, Counts.zeros(CLASSES, CPU))
    assert model.shapes == [(1, 3, 10, 20)] * 2


def test_a_rank_in_step_needs_a_size() -> None:
    with pytest.raises(ValueError, match="needs size"):
        evaluate([Linear(0)], batches([1]), CLASSES, CPU, any_left=_others_have(1))


def test_batches_are_not_held() -> None:
    """An evaluation set does not fit into memory: one batch at a time."""
    images: list[weakref.ref[Tensor]] = []

    def stream() -> Iterator[EvaluationBatch]:
        for _ in range(5):
            (batch,) = batches([1])
            images.append(weakref.ref(batch.image))
            # The consumer's last one, and this one.
            assert sum(image() is not None for image in images) <= 2
            yield batch

    evaluate([Linear(0)], stream(), CLASSES, CPU)
    assert len(images) == 5


def _sum_of_ranks(world: World) -> Counts:
    return count(*scene(world.rank)).all_reduce()


def test_all_reduce_adds_the_ranks() -> None:
    expected = count(*scene(0)) + count(*scene(1))
    for total in run_ranks(_sum_of_ranks, 2):
        assert same(total, expected)
        assert total.labels.confusion.dtype == torch.int64


def test_all_reduce_alone_changes_nothing() -> None:
    counts = count(*scene(5))
    assert same(counts.all_reduce(), counts)
