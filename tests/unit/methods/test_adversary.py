"""The adversarial half: who learns from what."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from advent_dist.config import AdventConfig
from advent_dist.losses import Domain, domain_loss, self_information
from advent_dist.methods.adversary import Adversary
from advent_dist.models.segmenter import SegmenterOutput
from tests.helpers import random_batch
from tests.unit.methods.tiny import same, tiny_method, weights_of

DISCRIMINATORS = ("discriminator", "discriminator_aux")


def _logits(seed: int, requires_grad: bool = True) -> SegmenterOutput:
    random = torch.Generator().manual_seed(seed)
    aux, main = (torch.randn(2, 19, 64, 64, generator=random) for _ in range(2))
    return SegmenterOutput(aux.requires_grad_(requires_grad), main.requires_grad_(requires_grad))


def _adversary() -> tuple[Adversary, dict[str, dict[str, Tensor]]]:
    method = tiny_method("advent")
    return Adversary(method.engines, AdventConfig()), weights_of(method)


def test_fooling_leaves_the_discriminators_alone_and_reaches_the_logits() -> None:
    adversary, before = _adversary()
    target = _logits(0)
    losses = adversary.fooling_losses(target)
    assert losses.keys() == {"adv", "adv_aux"}
    sum(losses.values(), start=torch.zeros(())).backward()
    assert target.main.grad is not None
    assert target.aux is not None
    assert target.aux.grad is not None
    assert target.main.grad.abs().sum() > 0
    for level, engine in adversary.engines.items():
        assert all(parameter.grad is None for parameter in engine.module.parameters()), level
        assert all(parameter.requires_grad for parameter in engine.module.parameters()), level
        now = dict(engine.module.named_parameters())
        assert same(before[f"discriminator{level}"], {k: v.detach() for k, v in now.items()})


def test_fooling_asks_for_the_source() -> None:
    adversary, _ = _adversary()
    target = _logits(0)
    verdict = adversary.engines[""].module(self_information(target.main.softmax(1)))
    expected = torch.nn.functional.softplus(verdict).mean()  # -log(1 - sigmoid)
    torch.testing.assert_close(adversary.fooling_losses(target)["adv"], expected)


def test_the_discriminators_learn_from_detached_maps() -> None:
    adversary, before = _adversary()
    source, target = _logits(0), _logits(1)
    losses = adversary.learn(source, target)
    for output in (source, target):
        assert output.main.grad is None
        assert output.aux is not None
        assert output.aux.grad is None
    for level, engine in adversary.engines.items():
        now = {key: value.detach() for key, value in engine.module.named_parameters()}
        assert not same(before[f"discriminator{level}"], now)
    assert losses.keys() == {
        f"{name}_{side}" for name in DISCRIMINATORS for side in ("source", "target")
    }


def test_the_logged_halves_are_half_of_each_domains_loss() -> None:
    adversary, _ = _adversary()
    source, target = _logits(0), _logits(1)
    discriminator = adversary.engines[""].module
    expected = {
        "discriminator_source": domain_loss(
            discriminator(self_information(source.main.softmax(1))), Domain.SOURCE
        )
        / 2,
        "discriminator_target": domain_loss(
            discriminator(self_information(target.main.softmax(1))), Domain.TARGET
        )
        / 2,
    }
    losses = adversary.learn(source, target)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)


def test_discriminators_learn_to_tell_the_domains_apart() -> None:
    """Certain maps against uncertain ones."""
    adversary, _ = _adversary()
    for engine in adversary.engines.values():
        engine.set_lr_factor(30.0)
    certain, uncertain = (
        SegmenterOutput(*(scale * logits for logits in _logits(0, False) if logits is not None))
        for scale in (20.0, 0.1)
    )
    for _ in range(30):
        losses = adversary.learn(certain, uncertain)
    assert all(value < 0.1 for value in losses.values()), losses


@pytest.mark.parametrize("name", ["advent", "advent_minent"])
def test_the_discriminators_loss_gives_the_segmenter_no_gradient(name: str) -> None:
    """Without weight on fooling, other discriminators make no other segmenter."""
    changes = {"method__lambda_adv": 0.0, "method__lambda_adv_aux": 0.0}
    one = tiny_method(name, **changes)
    other = tiny_method(name, **changes)
    with torch.no_grad():
        for network in DISCRIMINATORS:
            for parameter in other.engines[network].module.parameters():
                parameter.mul_(5.0)
    one.step(random_batch(0))
    other.step(random_batch(0))
    assert same(weights_of(one)["segmenter"], weights_of(other)["segmenter"])
    assert not same(weights_of(one)["discriminator"], weights_of(other)["discriminator"])


def test_the_discriminators_see_maps_from_before_the_segmenters_update() -> None:
    """With an enormous learning rate of the segmenter they learn the same."""
    slow = tiny_method("advent", optimizer__segmenter_lr=1e-6)
    fast = tiny_method("advent", optimizer__segmenter_lr=1.0)
    slow.step(random_batch(0))
    fast.step(random_batch(0))
    assert not same(weights_of(slow)["segmenter"], weights_of(fast)["segmenter"])
    for network in DISCRIMINATORS:
        assert same(weights_of(slow)[network], weights_of(fast)[network])


def test_fooling_moves_the_segmenter() -> None:
    """The verdict on the target moves towards `source`, where that is the only loss."""
    changes = {
        "method__lambda_seg": 0.0,
        "method__lambda_seg_aux": 0.0,
        "method__lambda_adv": 10.0,
        "optimizer__segmenter_lr": 1e-2,
        "optimizer__discriminator_lr": 1e-12,
    }
    method = tiny_method("advent", **changes)
    values = [method.step(random_batch(0))["loss/adv"].item() for _ in range(4)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]
