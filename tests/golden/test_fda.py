"""Fourier domain adaptation (FDA) against numbers of the published code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from advent_dist.augmentation.fourier import with_low_amplitudes
from advent_dist.losses import entropy_loss
from tests.golden.student import FOLDER


@pytest.mark.parametrize("beta", [0.01, 0.05, 0.09])
def test_source_images_in_the_target_style(beta: float) -> None:
    golden = np.load(FOLDER / "fda.npz")
    source, target = (torch.from_numpy(golden[name]) for name in ("source", "target"))
    ours = with_low_amplitudes(source, target, beta)
    np.testing.assert_allclose(ours, golden[f"np_beta_{beta}"], rtol=0, atol=1e-3)


def test_penalty_of_entropy() -> None:
    """The published code divides by 2.9444, which is log(19) to five digits."""
    golden = np.load(FOLDER / "fda_entropy.npz")
    eta = float(golden["ita"])
    ours = entropy_loss(torch.from_numpy(golden["logits"]).softmax(1), penalty=eta).item()
    assert ours * (math.log(19) / 2.9444) ** (2 * eta) == pytest.approx(golden["loss"], rel=1e-6)
