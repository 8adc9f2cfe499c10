"""The losses against closed forms, in every precision that networks run in."""

from __future__ import annotations

import math

import pytest
import torch

from advent_dist.losses import (
    Domain,
    class_prior_loss,
    cross_entropy,
    domain_loss,
    entropy_loss,
    poly_lr,
    self_information,
)

PRECISIONS = (torch.float32, torch.bfloat16, torch.float16)


def probabilities_of(*pixels) -> torch.Tensor:
    """[1, C, 1, number of pixels] from one distribution a pixel."""
    return torch.tensor(pixels).T[None, :, None, :]


def test_cross_entropy_is_the_mean_over_labelled_pixels() -> None:
    logits = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.full((2, 2, 2), 255, dtype=torch.uint8)
    labels[0, 0, 0], labels[1, 1, 0], labels[1, 1, 1] = 2, 0, 1
    log = logits.log_softmax(1)
    expected = -(log[0, 2, 0, 0] + log[1, 0, 1, 0] + log[1, 1, 1, 1]) / 3
    torch.testing.assert_close(cross_entropy(logits, labels), expected)
    torch.testing.assert_close(cross_entropy(logits, labels.long()), expected)


def test_cross_entropy_is_the_same_by_deterministic_algorithms() -> None:
    logits = torch.randn(2, 5, 9, 7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.arange(2 * 9 * 7).view(2, 9, 7) % 6
    labels[labels == 5] = 255
    found = []
    for on in (False, True):
        torch.use_deterministic_algorithms(on)
        try:
            loss = cross_entropy(logits, labels)
            found.append((loss, *torch.autograd.grad(loss, logits)))
        finally:
            torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(found[1], found[0])


def test_cross_entropy_takes_another_ignored_label() -> None:
    logits = torch.randn(1, 3, 1, 2, generator=torch.Generator().manual_seed(0))
    loss = cross_entropy(logits, torch.tensor([[[1, 0]]]), ignore_index=0)
    torch.testing.assert_close(loss, -logits.log_softmax(1)[0, 1, 0, 0])


def test_cross_entropy_without_labels_is_zero_with_a_graph() -> None:
    logits = torch.randn(1, 4, 3, 3, requires_grad=True)
    loss = cross_entropy(logits, torch.full((1, 3, 3), 255, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_entropy_of_certain_and_of_uniform_pixels(dtype) -> None:
    certain, uniform = [1.0, 0.0, 0.0, 0.0], [0.25] * 4
    entropy = self_information(probabilities_of(certain, uniform).to(dtype)).sum(1).squeeze()
    assert entropy.dtype == torch.float32
    assert entropy.tolist() == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_entropy_of_certain_pixels_has_a_finite_gradient(dtype) -> None:
    logits = torch.tensor([200.0, 0.0, -200.0]).to(dtype).view(1, 3, 1, 1).requires_grad_()
    entropy_loss(logits.softmax(1)).backward()
    assert logits.grad.isfinite().all()


def test_entropy_loss_is_a_mean_over_pixels_and_images() -> None:
    one = probabilities_of([1.0, 0.0], [0.5, 0.5])
    both = torch.cat([one, probabilities_of([0.5, 0.5], [0.5, 0.5])])
    assert entropy_loss(both).item() == pytest.approx(0.75)


def test_entropy_ranges_take_each_images_most_uncertain_pixels() -> None:
    half = 0.8112781  # bits of (1/4, 3/4)
    images = torch.cat(
        [
            probabilities_of([1.0, 0.0], [0.25, 0.75], [0.5, 0.5], [1.0, 0.0]),
            probabilities_of([1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.25, 0.75]),
        ]
    )
    assert entropy_loss(images, share=0.5).item() == pytest.approx((1 + half + half + 0) / 4)
    # A third of four pixels is rounded up to two.
    assert entropy_loss(images, share=1 / 3).item() == pytest.approx((1 + half + half + 0) / 4)
    assert entropy_loss(images, share=1.0).item() == pytest.approx(entropy_loss(images).item())


def test_entropy_ranges_do_not_count_rounding_as_a_pixel() -> None:
    certain = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).repeat(1, 1, 10, 10)
    certain[0, :, 0, :7] = 0.5
    assert entropy_loss(certain, share=0.07).item() == pytest.approx(1.0)


def test_class_prior_compares_each_image_by_itself() -> None:
    prior = torch.tensor([0.6, 0.4])
    images = torch.cat(
        [
            probabilities_of([1.0, 0.0], [0.8, 0.2]),  # ratios 0.9, 0.1: lacks 0.1 of the second
            probabilities_of([0.0, 1.0], [0.2, 0.8]),  # ratios 0.1, 0.9: lacks 0.2 of the first
        ]
    )
    assert class_prior_loss(images, prior, mu=0.5).item() == pytest.approx((0.1 + 0.2) / 2)
    assert class_prior_loss(images, prior, mu=0.0).item() == 0


def test_class_prior_pulls_up_the_class_that_is_short() -> None:
    logits = torch.zeros(1, 2, 3, 3).index_fill(1, torch.tensor(0), 4.0).requires_grad_()
    class_prior_loss(logits.softmax(1), torch.tensor([0.5, 0.5]), mu=0.5).backward()
    assert (logits.grad[:, 1] < 0).all()


def test_domain_loss_rewards_the_right_side() -> None:
    undecided = torch.zeros(2, 1, 3, 3)
    assert domain_loss(undecided, Domain.SOURCE).item() == pytest.approx(math.log(2))
    assert domain_loss(undecided + 3, Domain.TARGET) < domain_loss(undecided + 3, Domain.SOURCE)
    assert (Domain.SOURCE, Domain.TARGET) == (0, 1)


@pytest.mark.parametrize("dtype", PRECISIONS[1:])
def test_losses_of_half_precision_are_those_of_the_rounded_values(dtype) -> None:
    logits = 5 * torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(0)).to(dtype)
    labels = torch.randint(0, 3, (1, 40, 40), generator=torch.Generator().manual_seed(1))
    verdict = logits[:, :1]
    for half, full in (
        (cross_entropy(logits, labels), cross_entropy(logits.float(), labels)),
        (entropy_loss(logits.softmax(1)), entropy_loss(logits.softmax(1).float())),
        (domain_loss(verdict, Domain.TARGET), domain_loss(verdict.float(), Domain.TARGET)),
    ):
        assert half.dtype == torch.float32
        assert torch.equal(half, full)


def test_poly_lr_ends_at_the_horizon() -> None:
    assert poly_lr(0.1, 0, 10, 0.9) == 0.1
    assert poly_lr(0.1, 5, 10, 2.0) == pytest.approx(0.025)
    assert poly_lr(0.1, 10, 10, 0.9) == poly_lr(0.1, 11, 10, 0.9) == 0.0
