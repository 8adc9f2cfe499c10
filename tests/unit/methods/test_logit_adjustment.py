from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from advent_dist.config import DACSConfig, SourceOnlyConfig
from advent_dist.config.methods.baseline import baseline_of
from advent_dist.config.override import override
from advent_dist.losses import all_pixels_cross_entropy, cross_entropy
from advent_dist.methods.logit_adjustment import LogitAdjustment
from advent_dist.methods.parts import Parts
from advent_dist.models.network import Detail, Window
from advent_dist.models.segmenter import SegmenterOutput
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from tests.helpers import random_batch, tiny_experiment


def adjustment(tau: float, shares: list[float]) -> LogitAdjustment:
    return LogitAdjustment(
        SourceOnlyConfig(logit_adjustment=tau),
        Parts(engines={}, source_prior=torch.tensor(shares)),
    )


def test_rare_classes_are_found_as_if_they_were_frequent() -> None:
    """Fitted to labels of which one in a hundred is the second class, it is undecided."""
    logits = nn.Parameter(torch.zeros(1, 2, 1, 1))
    labels = torch.tensor([0] * 99 + [1]).reshape(1, 10, 10)
    adjust = adjustment(1.0, [0.99, 0.01])
    optimizer = torch.optim.LBFGS([logits], max_iter=100)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        output = adjust(SegmenterOutput(None, logits.expand(1, 2, 10, 10)))
        value = cross_entropy(output.main, labels)
        value.backward()
        return value

    optimizer.step(loss)
    torch.testing.assert_close(logits.softmax(1).flatten(), torch.tensor([0.5, 0.5]))


def test_what_the_source_has_not_stays_as_it_is() -> None:
    main = torch.randn(1, 3, 2, 2)
    adjusted = adjustment(0.5, [0.75, 0.0, 0.25])(SegmenterOutput(None, main)).main
    expected = torch.tensor([0.5 * math.log(0.75), 0.0, 0.5 * math.log(0.25)])
    torch.testing.assert_close(adjusted - main, expected[:, None, None].expand(1, 3, 2, 2))


def test_every_head_is_adjusted_in_fp32() -> None:
    half = torch.zeros(1, 2, 4, 4, dtype=torch.bfloat16)
    output = SegmenterOutput(half, half, detail=Detail(half, Window(0, 0, 4, 4)))
    adjusted = adjustment(1.0, [0.5, 0.5])(output)
    assert adjusted.aux is not None
    assert adjusted.detail is not None
    for logits in (adjusted.main, adjusted.aux, adjusted.detail.logits):
        torch.testing.assert_close(logits, torch.full((1, 2, 4, 4), math.log(0.5)))


def test_pixels_with_other_labels_stay_as_they_are() -> None:
    pasted = torch.zeros(1, 4, 4, dtype=torch.bool)
    pasted[:, 1:3, 2:] = True
    zeros = torch.zeros(1, 2, 4, 4)
    detail = Detail(torch.zeros(1, 2, 2, 2), Window(1, 1, 2, 2))
    output = SegmenterOutput(zeros, zeros, detail=detail)
    adjusted = adjustment(1.0, [0.5, 0.5])(output, pasted)
    assert adjusted.aux is not None
    assert adjusted.detail is not None
    expected = math.log(0.5) * pasted[:, None].expand(1, 2, 4, 4)
    torch.testing.assert_close(adjusted.main, expected)
    torch.testing.assert_close(adjusted.aux, expected)
    torch.testing.assert_close(adjusted.detail.logits, expected[:, :, 1:3, 1:3])


def test_as_published_nothing_is_touched() -> None:
    output = SegmenterOutput(None, torch.zeros(1, 2, 4, 4))
    assert adjustment(0.0, [0.9, 0.1])(output) is output


@pytest.mark.parametrize(
    ("name", "loss_of"),
    [
        ("streets_source_only", cross_entropy),
        ("streets_advent", cross_entropy),
        ("streets_dacs", cross_entropy),
        ("streets_daformer", all_pixels_cross_entropy),
    ],
)
def test_the_loss_on_source_labels_is_that_of_adjusted_logits(name: str, loss_of) -> None:
    base = override(tiny_experiment(name), {"engine.kind": "local"})
    experiment = replace(base, method=replace(base.method, logit_adjustment=1.0))
    shares = torch.arange(1.0, 20.0) / 190
    batch = random_batch(0)
    batch = replace(batch, target_image=batch.target_image[..., :64])  # mixing needs one size
    method, twin = (build_method(experiment, World(), shares) for _ in range(2))
    torch.manual_seed(0)
    logits = twin.engines["segmenter"].module(batch.source_image).main
    torch.manual_seed(0)
    loss = method.step(batch)["loss/seg"]
    expected = loss_of(logits + shares.log()[:, None, None], batch.source_label)
    torch.testing.assert_close(loss, expected.detach())
    assert not torch.isclose(loss, loss_of(logits, batch.source_label))


def test_the_baseline_of_a_method_is_adjusted_like_it() -> None:
    method = DACSConfig(lambda_seg=0.5, logit_adjustment=0.3)
    assert baseline_of(method) == SourceOnlyConfig(lambda_seg=0.5, logit_adjustment=0.3)


@pytest.mark.parametrize("tau", [-0.1, math.inf, math.nan])
def test_what_is_no_adjustment_is_refused(tau: float) -> None:
    with pytest.raises(ValueError, match=r"method\.logit_adjustment = "):
        SourceOnlyConfig(logit_adjustment=tau)
