"""Decoders against outputs of the published code, filled by the same rule."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from advent_dist.models.decoders.daformer import DAFormerDecoder
from advent_dist.models.decoders.upscaling import UpscalingDecoder
from tests.golden.reference_weights import fill

FOLDER = Path(__file__).parent / "reference" / "methods"
DAFORMER = np.load(FOLDER / "daformer_head.npz")
VFM = np.load(FOLDER / "vfm_head.npz")


@pytest.fixture
def features() -> list[torch.Tensor]:
    return [torch.from_numpy(DAFORMER[f"feature_{level}"]) for level in range(4)]


@pytest.fixture
def daformer() -> DAFormerDecoder:
    decoder = DAFormerDecoder((8, 16, 20, 32), num_classes=19, width=16)
    fill(decoder, "decode_head.")
    decoder.dropout.p = 0.0
    return decoder


def test_daformer_in_train_and_then_in_eval_mode(daformer, features) -> None:
    logits = daformer.train()(features)
    logits.square().mean().backward()
    np.testing.assert_allclose(logits.detach(), DAFORMER["logits_train"], rtol=1e-5, atol=1e-5)
    parameters = dict(daformer.named_parameters())
    assert set(parameters) == set(DAFORMER["grad_norm_names"])
    norms = [float(parameters[name].grad.norm()) for name in DAFORMER["grad_norm_names"]]
    np.testing.assert_allclose(norms, DAFORMER["grad_norms_of_mean_square"], rtol=1e-5, atol=1e-7)
    with torch.no_grad():
        logits = daformer.eval()(features)
    np.testing.assert_allclose(logits, DAFORMER["logits_eval"], rtol=1e-5, atol=1e-5)


def test_names_and_shapes_of_daformer_are_the_published_ones() -> None:
    decoder = DAFormerDecoder((64, 128, 320, 512), num_classes=19, width=None)
    shapes = {name: list(value.shape) for name, value in decoder.state_dict().items()}
    assert shapes == json.loads(str(DAFORMER["full_head_shapes"]))
    assert sum(value.numel() for value in decoder.parameters()) == 3_712_275


def test_vfm_uda() -> None:
    decoder = UpscalingDecoder((32,), num_classes=19, width=None)
    fill(decoder, "")
    with torch.no_grad():
        logits = decoder([torch.from_numpy(VFM["features"])])
    np.testing.assert_allclose(logits[:1], VFM["head_logits_40x40_image0"], rtol=1e-5, atol=1e-5)
    shapes = [list(value.shape) for value in decoder.state_dict().values()]
    assert (list(decoder.state_dict()), shapes) == (
        list(VFM["head_names"]),
        json.loads(str(VFM["head_shapes"])),
    )
