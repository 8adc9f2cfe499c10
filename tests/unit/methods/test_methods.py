"""What holds for every method, and where two methods must agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from advent_dist.methods import METHODS
from advent_dist.methods.detection import DETECTION_METHODS
from advent_dist.types import IGNORE_INDEX, DomainBatch
from tests.helpers import random_batch
from tests.unit.methods.tiny import DETAILED, batch_of, same, tiny_method, weights_of

NAMES = [name for name in METHODS if name not in DETECTION_METHODS]


def _unlabelled(batch: DomainBatch) -> DomainBatch:
    return replace(batch, source_label=torch.full_like(batch.source_label, IGNORE_INDEX))


@pytest.mark.parametrize("name", NAMES)
def test_steps_train_every_parameter_and_log_finite_losses(name: str) -> None:
    """Two steps, since timm's residual branches start at 0."""
    method = tiny_method(name)
    before = weights_of(method)
    method.step(batch_of(name, 0))
    metrics = method.step(batch_of(name, 1))
    after = weights_of(method)
    assert ("discriminators" in METHODS[name].needs) == (len(before) == 3)
    for network, weights in before.items():
        unchanged = [key for key, value in weights.items() if value.equal(after[network][key])]
        assert unchanged == [], network
    other = "loss/seg_detail" if name in DETAILED else "loss/seg_aux"
    assert {"loss/seg", other} <= set(metrics)
    for key, value in metrics.items():
        assert value.dim() == 0, key
        assert not value.requires_grad, key
        assert value.isfinite(), key


@pytest.mark.parametrize("name", NAMES)
def test_one_level(name: str) -> None:
    method = tiny_method(name, model__multi_level=False)
    metrics = method.step(batch_of(name, 0))
    assert not [key for key in [*metrics, *method.engines] if "aux" in key]


class Kept:
    """A tensor that autograd keeps for a backward pass; all of them are counted."""

    count = 0

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        Kept.count += 1

    def __del__(self) -> None:
        Kept.count -= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_domains_graph_is_gone_before_the_next_ones_is_made(name: str) -> None:
    method, begun_with = tiny_method(name), []
    segmenter = method.engines["segmenter"].module
    segmenter.register_forward_pre_hook(lambda *_: begun_with.append(Kept.count))
    segmenter.register_forward_hook(lambda *_: begun_with.append(Kept.count))
    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        method.step(batch_of(name, 0))
    before, after = begun_with[::2], begun_with[1::2]
    three = dict.fromkeys(("mic", "mic_dacs", "mic_hrda", "vfm_uda"), 3)
    passes = {"source_only": 1, **three, "vfm_uda_plus_plus": 5}
    assert before == [0] * passes.get(name, 2)
    assert min(after) > 0


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_reproducible(name: str) -> None:
    one, other = tiny_method(name), tiny_method(name)
    for step in range(2):
        for method in (one, other):
            torch.manual_seed(step)
            method.step(batch_of(name, step))
    for network, weights in weights_of(one).items():
        assert same(weights, weights_of(other)[network])


def test_methods_start_from_the_same_segmenter() -> None:
    names = [name for name in NAMES if name not in DETAILED]
    first, *others = [weights_of(tiny_method(name))["segmenter"] for name in names]
    assert all(same(first, other) for other in others)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("minent", {"method__lambda_ent": 0.0, "method__lambda_ent_aux": 0.0}),
        ("advent", {"method__lambda_adv": 0.0, "method__lambda_adv_aux": 0.0}),
    ],
)
def test_without_weight_a_method_learns_what_source_only_does(
    name: str, weights: dict[str, Any]
) -> None:
    """One step: after that BatchNorm has seen the target too."""
    baseline, adapted = tiny_method("source_only"), tiny_method(name, **weights)
    baseline.step(random_batch(0))
    adapted.step(random_batch(0))
    expected = weights_of(baseline)["segmenter"]
    for key, value in weights_of(adapted)["segmenter"].items():
        torch.testing.assert_close(value, expected[key], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("other", "weights"),
    [
        ("advent", {"method__lambda_ent": 0.0, "method__lambda_ent_aux": 0.0}),
        ("minent", {"method__lambda_adv": 0.0, "method__lambda_adv_aux": 0.0}),
    ],
)
def test_advent_minent_has_both_as_limits(other: str, weights: dict[str, Any]) -> None:
    kept = "adv" if other == "advent" else "ent"
    common = {f"method__lambda_{kept}": 0.7, f"method__lambda_{kept}_aux": 0.3}
    both, one = tiny_method("advent_minent", **weights, **common), tiny_method(other, **common)
    both.step(random_batch(0))
    one.step(random_batch(0))
    expected = weights_of(one)
    for network, values in expected.items():
        for key, value in weights_of(both)[network].items():
            torch.testing.assert_close(value, values[key], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_without_labels_gives_no_gradient(name: str) -> None:
    """But a graph, so that a distributed step does not hang; all is finite."""
    terms = {
        "source_only": [],
        "minent": ["ent"],
        "advent": ["adv"],
        "advent_minent": ["ent", "adv"],
        "dacs": ["mix"],
        "daformer": ["mix"],
        "hrda": ["mix"],
    }.get(name, ["mix", "mask"])
    silent = {f"method__lambda_{term}{aux}": 0.0 for term in terms for aux in ("", "_aux")}
    if name == "vfm_uda_plus_plus":
        silent |= {f"method__lambda_distill_{domain}": 0.0 for domain in ("source", "target")}
    if name in DETAILED:
        silent |= {f"method__lambda_{term}_detail": 0.0 for term in terms}
    method = tiny_method(name, **silent, optimizer__weight_decay=0.0)
    before = weights_of(method)["segmenter"]
    metrics = method.step(_unlabelled(batch_of(name, 0)))
    assert metrics["loss/seg"] == 0
    assert all(value.isfinite() for value in metrics.values())
    assert same(before, weights_of(method)["segmenter"])


def test_the_target_moves_the_segmenter_of_unlabelled_images() -> None:
    """Or the test above would pass with a broken graph."""
    method = tiny_method("minent", method__lambda_ent=1.0, optimizer__weight_decay=0.0)
    before = weights_of(method)["segmenter"]
    method.step(_unlabelled(random_batch(0)))
    assert not same(before, weights_of(method)["segmenter"])
