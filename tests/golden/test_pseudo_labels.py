"""Thresholds of pseudo-labels (CBST, CRST, FDA) against numbers of the published code."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from advent_dist.config import DACSConfig
from advent_dist.methods.pseudo_labels import RULES, pseudo_labels
from advent_dist.methods.pseudo_labels.ranking import Ranking
from advent_dist.parallel.world import World
from tests.golden.student import FOLDER

GOLDEN = np.load(FOLDER / "self_training.npz")
PROBABILITIES = torch.from_numpy(GOLDEN["probability_nhwc"]).permute(0, 3, 1, 2).contiguous()
PORTION = float(GOLDEN["portion"])


def _published_pixels(zeros: Tensor) -> tuple[Tensor, Tensor]:
    """Every fourth pixel of each image and class, and the zeros that CBST's lists begin with."""
    confidence, label = PROBABILITIES.max(1)
    kept, classes = [torch.zeros(len(zeros))], [zeros]
    for values, ids in zip(confidence.flatten(1), label.flatten(1), strict=True):
        for one in range(PROBABILITIES.shape[1]):
            chosen = values[ids == one][:: int(GOLDEN["downsample"])]
            kept.append(chosen)
            classes.append(torch.full((len(chosen),), one))
    return torch.cat(kept), torch.cat(classes)


def _labels(monkeypatch: Any, rule: str, pixels: tuple[Tensor, Tensor], **values: Any) -> Tensor:
    """The product's labels, with thresholds out of the published choice of pixels."""
    module = sys.modules[RULES[rule].__module__]
    monkeypatch.setattr(module, "of_all_ranks", lambda *_: pixels)
    config = DACSConfig(pseudo_labels=rule, **values)  # type: ignore[arg-type]
    labels = pseudo_labels(PROBABILITIES, config, World())
    assert labels.weight.equal((labels.label != 255).float())
    assert labels.sure == pytest.approx(labels.weight.mean())
    return labels.label


def test_crst(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = _published_pixels(torch.zeros(0, dtype=torch.int64))
    thresholds = Ranking.by_group(*pixels, groups=7).at_portion(PORTION)
    assert thresholds.equal(torch.from_numpy(GOLDEN["crst_threshold"]))
    ours = _labels(monkeypatch, "class_balanced", pixels, portion=PORTION)
    assert ours.equal(torch.from_numpy(GOLDEN["crst_pseudo_label"]))
    other = (ours != PROBABILITIES.argmax(1)) & (ours != 255)
    assert other.sum() == 60, "a class may be labelled that is not the most probable one"


def test_cbst_by_class() -> None:
    """Of a class without a threshold the published list has 0, which labels nothing, as 1 does."""
    pixels = _published_pixels(torch.arange(7))
    thresholds = Ranking.by_group(*pixels, groups=7).at_portion(PORTION)
    published = torch.from_numpy(GOLDEN["cbst_cb_threshold"]).float()
    assert thresholds.equal(torch.where(published == 0, 1.0, published))


def test_cbst_of_all_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = _published_pixels(torch.zeros(8, dtype=torch.int64))
    ours = _labels(monkeypatch, "portion", pixels, portion=PORTION)
    assert ours.equal(torch.from_numpy(GOLDEN["cbst_global_pseudo_label"]))
    confidence = pixels[0]
    (threshold,) = Ranking.by_group(confidence, torch.zeros_like(pixels[1]), 1).at_portion(PORTION)
    assert threshold == GOLDEN["cbst_global_threshold"][0].astype(np.float32)


def test_fda(monkeypatch: pytest.MonkeyPatch) -> None:
    confidence, label = (one.flatten() for one in PROBABILITIES.max(1))
    ranking = Ranking.by_group(confidence, label, groups=7)
    published = torch.from_numpy(GOLDEN["fda_threshold_66_cap09"]).float()
    thresholds = ranking.above_portion(0.34).clamp(max=0.9)
    assert thresholds[:6].equal(published[:6])
    assert ranking.counts[6] == 0
    ours = _labels(monkeypatch, "class_capped", (confidence, label), portion=0.34, threshold=0.9)
    assert ours.equal(torch.from_numpy(GOLDEN["fda_pseudo_label"]))
