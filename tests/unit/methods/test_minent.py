from __future__ import annotations

import torch

from advent_dist.losses import class_prior_loss, cross_entropy, entropy_loss
from tests.helpers import random_batch
from tests.unit.methods.tiny import same, tiny_method, weights_of


def test_logged_losses_are_those_of_the_outputs_before_the_step() -> None:
    method, batch = tiny_method("minent"), random_batch(0)
    segmenter = tiny_method("minent").engines["segmenter"].module
    source, target = segmenter(batch.source_image), segmenter(batch.target_image)
    metrics = method.step(batch)
    expected = {
        "loss/seg": cross_entropy(source.main, batch.source_label),
        "loss/seg_aux": cross_entropy(source.aux, batch.source_label),
        "loss/ent": entropy_loss(target.main.softmax(1)),
        "loss/ent_aux": entropy_loss(target.aux.softmax(1)),
    }
    assert metrics.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(metrics[name], value.detach())


def test_the_update_is_the_gradient_of_the_weighted_sum() -> None:
    """Plain SGD on the first step, so the update is lr times the gradient."""
    weights = {"lambda_seg": 0.9, "lambda_seg_aux": 0.2, "lambda_ent": 0.7, "lambda_ent_aux": 0.3}
    changes = {f"method__{name}": value for name, value in weights.items()}
    method = tiny_method("minent", **changes, optimizer__weight_decay=0.0)
    twin, batch = tiny_method("minent").engines["segmenter"].module, random_batch(0)
    source, target = twin(batch.source_image), twin(batch.target_image)
    loss = (
        0.9 * cross_entropy(source.main, batch.source_label)
        + 0.2 * cross_entropy(source.aux, batch.source_label)
        + 0.7 * entropy_loss(target.main.softmax(1))
        + 0.3 * entropy_loss(target.aux.softmax(1))
    )
    loss.backward()
    before = weights_of(method)["segmenter"]
    method.step(batch)
    after = weights_of(method)["segmenter"]
    encoder_lr, head_lr = method.engines["segmenter"].learning_rates
    in_heads = {id(p) for head in twin.network.heads for p in head.parameters()}  # type: ignore[union-attr]
    for key, parameter in twin.named_parameters():
        lr = head_lr if id(parameter) in in_heads else encoder_lr
        assert parameter.grad is not None
        torch.testing.assert_close(
            before[key] - after[key], lr * parameter.grad, rtol=1e-3, atol=1e-6
        )


def test_entropy_falls_where_it_is_the_only_loss() -> None:
    method = tiny_method(
        "minent",
        method__lambda_seg=0.0,
        method__lambda_seg_aux=0.0,
        method__lambda_ent=1.0,
        optimizer__segmenter_lr=0.3,
    )
    values = [method.step(random_batch(0))["loss/ent"].item() for _ in range(5)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0] - 0.01


def test_entropy_range_takes_the_pixels_of_highest_entropy() -> None:
    whole = tiny_method("minent").step(random_batch(0))
    ranged = tiny_method("minent", method__entropy_range=0.3).step(random_batch(0))
    every = tiny_method("minent", method__entropy_range=1.0).step(random_batch(0))
    assert ranged["loss/ent"] > whole["loss/ent"] + 1e-4
    torch.testing.assert_close(every["loss/ent"], whole["loss/ent"])


def test_the_class_prior_moves_predictions_towards_the_source() -> None:
    """A prior of one class alone, as the only loss, makes that class more frequent."""
    prior = torch.zeros(19)
    prior[13] = 1.0
    changes = {f"method__lambda_{name}": 0.0 for name in ("seg", "seg_aux", "ent", "ent_aux")} | {
        "method__lambda_prior": 1.0,
        "optimizer__segmenter_lr": 1e-2,
    }
    method = tiny_method("minent", prior, **changes)
    segmenter = method.engines["segmenter"].module
    batch = random_batch(0)
    before = segmenter(batch.target_image).main.softmax(1)
    logged = method.step(batch)["loss/prior"]
    after = segmenter(batch.target_image).main.softmax(1)
    assert after[:, 13].mean() > before[:, 13].mean() + 1e-3
    torch.testing.assert_close(logged, class_prior_loss(before, prior, 0.5).detach())


def test_without_weight_the_class_prior_is_left_out() -> None:
    prior = torch.zeros(19)
    prior[13] = 1.0
    with_prior, without = tiny_method("minent", prior), tiny_method("minent")
    assert "loss/prior" not in with_prior.step(random_batch(0))
    without.step(random_batch(0))
    assert same(weights_of(with_prior)["segmenter"], weights_of(without)["segmenter"])
