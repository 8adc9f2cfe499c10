"""The losses against numbers of the published code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from advent_dist.losses import (
    Domain,
    cross_entropy,
    domain_loss,
    entropy_loss,
    poly_lr,
    self_information,
)

GOLDEN = np.load(Path(__file__).parent / "reference" / "losses.npz")
LOGITS = torch.from_numpy(GOLDEN["logits"])
LABELS = torch.from_numpy(GOLDEN["labels"])


def test_self_information() -> None:
    information = self_information(LOGITS.softmax(1))
    np.testing.assert_allclose(information, GOLDEN["self_information"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("cross_entropy", lambda: cross_entropy(LOGITS, LABELS)),
        ("entropy_loss", lambda: entropy_loss(LOGITS.softmax(1))),
        ("bce_source", lambda: domain_loss(LOGITS, Domain.SOURCE)),
        ("bce_target", lambda: domain_loss(LOGITS, Domain.TARGET)),
    ],
)
def test_scalar(name, loss) -> None:
    assert loss().item() == pytest.approx(GOLDEN[name].item(), rel=1e-5)


def test_poly_lr() -> None:
    steps = [0, 1, 1000, 60_000, 120_000, 249_999]
    rates = [poly_lr(2.5e-4, step, horizon=250_000, power=0.9) for step in steps]
    np.testing.assert_allclose(rates, GOLDEN["lr_poly"], rtol=1e-9)
