"""What the golden tests leave open: what is trained, and how statistics are kept."""

from __future__ import annotations

import pytest
import torch

from advent_dist.models.deeplab_v2 import DeepLabV2


@pytest.fixture(scope="module")
def multi_level():
    return DeepLabV2()


@pytest.fixture(scope="module")
def single_level():
    return DeepLabV2(multi_level=False)


def test_only_the_affine_of_batch_norm_is_frozen(multi_level) -> None:
    frozen = {n for n, p in multi_level.named_parameters() if not p.requires_grad}
    affine = {
        f"{name}.{kind}"
        for name, module in multi_level.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d)
        for kind in ("weight", "bias")
    }
    assert frozen == affine
    assert len(affine) == 2 * 104


def test_statistics_are_the_batchs_in_train_mode_only(single_level) -> None:
    image = torch.randn(1, 3, 33, 33)
    with torch.no_grad():
        before = single_level.bn1.running_mean.clone()
        single_level.eval()(image)
        assert torch.equal(single_level.bn1.running_mean, before)
        single_level.train()(image)
        assert not torch.equal(single_level.bn1.running_mean, before)


def test_a_single_level_network_has_no_auxiliary_logits(single_level) -> None:
    with torch.no_grad():
        aux, main, *_ = single_level.eval()(torch.randn(1, 3, 32, 48))
    assert aux is None
    # An even input tells the max-pool's rounding up, 5 x 7, from rounding down, 4 x 6.
    assert main.shape == (1, 19, 5, 7)
