"""Labels of a whole data set (CBST, CRST, FDA, IntraDA) against numbers of the published code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from advent_dist.config.pseudo_labels import RuleName
from advent_dist.evaluation.certainty import pixel_entropy
from advent_dist.runs.labelling.confidences import Confidences, at_portion
from advent_dist.runs.labelling.easy import easy_and_hard
from advent_dist.runs.labelling.rules import RULES, Values
from tests.golden.student import FOLDER

GOLDEN = np.load(FOLDER / "self_training.npz")
PROBABILITIES = torch.from_numpy(GOLDEN["probability_nhwc"]).permute(0, 3, 1, 2).contiguous()
PORTION = float(GOLDEN["portion"])


def thresholds(
    folder: Path, name: RuleName, portion: float, threshold: float = 0.9
) -> torch.Tensor:
    rule, values = RULES[name], Values(num_classes=7, portion=portion, threshold=threshold)
    with Confidences(folder, 7, every=rule.every or 1) as pixels:
        for image in PROBABILITIES:
            pixels.add(*image.max(0))
        return torch.tensor(rule.thresholds(pixels, values))


def test_crst(tmp_path: Path) -> None:
    found = thresholds(tmp_path, "class_balanced", PORTION)
    assert found.equal(torch.from_numpy(GOLDEN["crst_threshold"]))
    labels = RULES["class_balanced"].label(PROBABILITIES, found)
    assert labels.equal(torch.from_numpy(GOLDEN["crst_pseudo_label"]))


def test_cbst_of_all_classes(tmp_path: Path) -> None:
    """The published list begins with eight zeros, ours with none."""
    ours = thresholds(tmp_path, "portion", PORTION)
    kept = np.concatenate([np.fromfile(file, np.float32) for file in tmp_path.iterdir()])
    assert (ours == at_portion(kept, PORTION)).all()
    with_zeros = at_portion(np.concatenate([kept, np.zeros(8, np.float32)]), PORTION)
    published = torch.from_numpy(GOLDEN["cbst_global_threshold"]).float()
    assert (published == with_zeros).all()
    labels = RULES["portion"].label(PROBABILITIES, published)
    assert labels.equal(torch.from_numpy(GOLDEN["cbst_global_pseudo_label"]))


def test_fda(tmp_path: Path) -> None:
    found = thresholds(tmp_path, "class_capped", 0.34)
    published = torch.from_numpy(GOLDEN["fda_threshold_66_cap09"]).float()
    assert found[:6].equal(published[:6]), "no pixel is of the last class"
    labels = RULES["class_capped"].label(PROBABILITIES, found)
    assert labels.equal(torch.from_numpy(GOLDEN["fda_pseudo_label"]))


def test_intrada() -> None:
    golden = np.load(FOLDER / "intrada.npz")
    logits = torch.from_numpy(golden["logits"])
    entropies = pixel_entropy(logits).mean((1, 2)).tolist()
    scores = np.array(entropies) / logits.shape[1]
    assert scores == pytest.approx(golden["score_mean_chw"], abs=1e-6)
    easy, hard = easy_and_hard(entropies, float(golden["lambda1"]))
    for ours, names in ((easy, golden["easy"]), (hard, golden["hard"])):
        assert ours == tuple(sorted(int(name.removeprefix("img")) for name in names))
