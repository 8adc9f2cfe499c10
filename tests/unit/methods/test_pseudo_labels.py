"""Which pixels the rules of pseudo-labels let through; the golden tests have their thresholds."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
import torch
from torch import Tensor

from advent_dist.config import DACSConfig
from advent_dist.methods.pseudo_labels import RULES, PseudoLabels, pseudo_labels
from advent_dist.parallel.world import World
from tests.unit.methods.tiny import batch_of, tiny_method


@pytest.fixture(scope="module")
def probabilities() -> Tensor:
    """Class 0 is everywhere and sure, class 2 rare and unsure."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 160, 192, generator=random)
    logits[:, 0] += 2
    logits[:, 2] -= 0.5
    return logits.softmax(1)


def _labels(probabilities: Tensor, rule: Any, **values: Any) -> PseudoLabels:
    return pseudo_labels(probabilities, DACSConfig(pseudo_labels=rule, **values), World())


def test_the_config_names_every_rule() -> None:
    assert list(get_args(get_type_hints(DACSConfig)["pseudo_labels"])) == list(RULES)


def test_confident_pixels(probabilities: Tensor) -> None:
    found = _labels(probabilities, "confident", threshold=0.9)
    highest, label = probabilities.max(1)
    assert found.label.equal(label.where(highest >= 0.9, 255).to(torch.uint8))
    assert 0.05 < found.sure < 0.95
    assert found.sure == pytest.approx((highest >= 0.9).float().mean())


@pytest.mark.parametrize("portion", [0.2, 0.7])
def test_a_portion_of_all_pixels_or_of_each_class(probabilities: Tensor, portion: float) -> None:
    own = probabilities.argmax(1)
    whole = _labels(probabilities, "portion", portion=portion)
    assert whole.sure == pytest.approx(portion, abs=0.05)
    rare = (whole.label == 2).sum() / (own == 2).sum()
    assert rare < portion / 2, "where one threshold is for all, an unsure class has few"
    capped = _labels(probabilities, "class_capped", portion=portion, threshold=1.0)
    for one in range(5):
        share = (capped.label == one).sum() / (own == one).sum()
        assert share == pytest.approx(portion, abs=0.1)
    balanced = _labels(probabilities, "class_balanced", portion=portion)
    assert (balanced.label == 2).sum() / (own == 2).sum() > max(1.5 * rare, portion / 2)


def test_what_is_sure_has_a_label_whatever_the_portion(probabilities: Tensor) -> None:
    few = _labels(probabilities, "class_capped", portion=0.01, threshold=1.0)
    sure = _labels(probabilities, "class_capped", portion=0.01, threshold=0.9)
    assert few.sure < 0.05
    assert (sure.label != 255).equal((probabilities.amax(1) >= 0.9) | (few.label != 255))


@pytest.mark.parametrize("rule", RULES)
def test_margins_that_are_left_out_weigh_nothing(probabilities: Tensor, rule: str) -> None:
    whole = _labels(probabilities, rule)
    margins = dict(zip(("top", "bottom", "left", "right"), (5, 7, 3, 2), strict=True))
    cut = _labels(probabilities, rule, **{f"unlabelled_{k}": v for k, v in margins.items()})
    assert cut.label.equal(whole.label)
    assert cut.sure == whole.sure
    inner = (slice(None), slice(5, -7), slice(3, -2))
    assert cut.weight[inner].equal(whole.weight[inner])
    assert cut.weight.count_nonzero() == cut.weight[inner].count_nonzero()


@pytest.mark.parametrize("rule", RULES)
def test_a_method_learns_by_each_rule(rule: str) -> None:
    method = tiny_method("dacs", method__pseudo_labels=rule, method__threshold=0.06)
    metrics = method.step(batch_of("dacs", 0))
    assert 0 < metrics["sure_share"] <= 1
    assert metrics["loss/mix"].isfinite()


def test_pixels_without_a_label_teach_nothing() -> None:
    """Nothing is sure, and nothing is pasted: all classes of the source are 255."""
    method = tiny_method("mic_dacs", method__pseudo_labels="confident", method__threshold=1.0)
    batch = batch_of("mic_dacs", 0)
    batch.source_label.fill_(255)
    metrics = method.step(batch)
    assert metrics["sure_share"] == 0
    assert metrics["loss/mix"] == 0
    assert metrics["loss/mask"] == 0
