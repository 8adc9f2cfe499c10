"""What holds for every method of a detector, and where two must agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from advent_dist.errors import ConfigError
from advent_dist.methods.detection import DETECTION_METHODS
from advent_dist.methods.detection.adversary import discriminators_of
from advent_dist.models.detector import Detector
from tests.detection_helpers import (
    CLASSES,
    CONFIGS,
    detection_method,
    random_box_batch,
    tiny_detector,
)
from tests.unit.methods.tiny import same, weights_of

NAMES = list(DETECTION_METHODS)
ADAPTING = [name for name in NAMES if name != "detector_source_only"]
ADVERSARIAL = ["detector_advent", "detector_advent_minent"]


@pytest.mark.parametrize("name", NAMES)
def test_a_step_trains_every_parameter_and_logs_finite_losses(name: str) -> None:
    method = detection_method(name)
    before = weights_of(method)
    metrics = method.step(random_box_batch(0))
    after = weights_of(method)
    assert ("discriminators" in method.needs) == (len(before) == 3)
    for network, weights in before.items():
        unchanged = [key for key, value in weights.items() if value.equal(after[network][key])]
        assert unchanged == [], network
    assert {"loss/class", "loss/box"} <= set(metrics)
    assert ("loss/adv" in metrics) == (name in ADVERSARIAL)
    assert ("loss/ent" in metrics) == ("minent" in name)
    for key, value in metrics.items():
        assert value.dim() == 0, key
        assert not value.requires_grad, key
        assert value.isfinite(), key


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
    method, begun_with = detection_method(name), []
    detector = method.engines["detector"].module
    detector.register_forward_pre_hook(lambda *_: begun_with.append(Kept.count))
    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        method.step(random_box_batch(0))
    assert begun_with == [0] * (1 if name == "detector_source_only" else 2)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("detector_minent", {"lambda_ent": 0.0}),
        ("detector_advent", {"lambda_adv": 0.0}),
        ("detector_advent_minent", {"lambda_adv": 0.0, "lambda_ent": 0.0}),
    ],
)
def test_without_weight_a_method_learns_what_source_only_does(
    name: str, weights: dict[str, Any]
) -> None:
    baseline, adapted = detection_method("detector_source_only"), detection_method(name, **weights)
    baseline.step(random_box_batch(0))
    adapted.step(random_box_batch(0))
    expected = weights_of(baseline)["detector"]
    for key, value in weights_of(adapted)["detector"].items():
        torch.testing.assert_close(value, expected[key], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_images_without_boxes(name: str) -> None:
    """Nothing is learnt of them, but of the target; losses are finite."""
    method = detection_method(name)
    before = weights_of(method)["detector"]
    metrics = method.step(random_box_batch(0, count=0))
    assert metrics["loss/class"] == metrics["loss/box"] == 0
    assert all(value.isfinite() for value in metrics.values())
    assert same(before, weights_of(method)["detector"]) == (name == "detector_source_only")


def test_minent_makes_the_target_certain_and_advent_learns_to_tell_domains() -> None:
    method = detection_method("detector_minent", lambda_ent=1.0, lr=0.02)
    batch = random_box_batch(0, count=0)
    entropies = [method.step(batch)["loss/ent"].item() for _ in range(8)]
    assert 0 < entropies[-1] < entropies[0] <= 1
    adversarial = detection_method("detector_advent", lambda_adv=0.0, lr=0.1)
    names = ("loss/discriminator0_source", "loss/discriminator0_target")
    halves = [sum(adversarial.step(batch)[name].item() for name in names) for _ in range(20)]
    assert halves[-1] < halves[0]


@pytest.mark.parametrize("background", ["class", "renormalised", "dropped"])
@pytest.mark.parametrize("name", ADAPTING)
def test_options(name: str, background: str) -> None:
    changes: dict[str, Any] = {"levels": (1,), "background": background}
    if name in ADVERSARIAL:
        changes |= {"gan_loss": "least_squares", "adversary_sees": "probabilities"}
    if "minent" in name:
        changes["entropy_range"] = 0.3
    method = detection_method(name, **changes)
    metrics = method.step(random_box_batch(0))
    assert all(value.isfinite() for value in metrics.values())
    assert set(method.engines) == {"detector", *(["discriminator1"] if name in ADVERSARIAL else [])}


def test_a_share_of_the_anchors_is_the_most_uncertain() -> None:
    entropies = {
        share: detection_method("detector_minent", entropy_range=share)
        .step(random_box_batch(0))["loss/ent"]
        .item()
        for share in (None, 1.0, 0.1)
    }
    assert entropies[None] == pytest.approx(entropies[1.0], rel=1e-6)
    assert entropies[0.1] > entropies[None]


def test_bf16() -> None:
    """Losses are near those of fp32, and are fp32 themselves."""
    from advent_dist.config import EngineConfig

    exact = detection_method("detector_advent_minent").step(random_box_batch(0))
    config = EngineConfig(kind="local", precision="bf16")
    rounded = detection_method("detector_advent_minent", engine=config).step(random_box_batch(0))
    for key, value in exact.items():
        assert rounded[key].dtype == torch.float32
        torch.testing.assert_close(value, rounded[key], rtol=0.1, atol=0.02, msg=key)


def test_a_map_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"method\.levels = \(3,\): the detector has 3 maps"):
        detection_method("detector_minent", levels=(3,))


@pytest.mark.parametrize("levels", [(), (0, 0), (-1,)])
def test_levels_that_make_no_sense(levels: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"method\.levels"):
        CONFIGS["detector_minent"](levels=levels)


def test_one_class_has_no_distribution_of_its_own() -> None:
    with pytest.raises(ConfigError, match=r"method\.background = 'renormalised': there is one"):
        detection_method("detector_minent", num_classes=1, background="renormalised")
    for name in ADAPTING:
        method = detection_method(name, num_classes=1)
        batch = random_box_batch(0)
        boxes = tuple(replace(one, label=one.label * 0) for one in batch.source_boxes)
        metrics = method.step(replace(batch, source_boxes=boxes))
        assert all(value.isfinite() for value in metrics.values())


@pytest.mark.parametrize(("background", "classes"), [("class", CLASSES + 1), ("dropped", CLASSES)])
def test_discriminators_fit_their_maps(background: str, classes: int) -> None:
    detector = tiny_detector()
    assert isinstance(detector, Detector)
    config = CONFIGS["detector_advent"](levels=(0, 1, 2), background=background)
    networks = discriminators_of(config, detector, width=4)
    for number, (name, network) in enumerate(networks.items()):
        level = detector.levels[number]
        assert name == f"discriminator{number}"
        seen = torch.rand(2, 4 * classes, level.height, level.width)
        side = min(4, level.height)
        assert network(seen).shape == (2, 1, side, side)
