"""The paper's networks against outputs of the published code, filled by the same rule."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from advent_dist.config import ModelConfig
from advent_dist.losses import self_information
from advent_dist.models.deeplab_v2 import DeepLabV2
from advent_dist.models.discriminator import Discriminator
from advent_dist.models.matching import take
from advent_dist.models.segmenter import build_segmenter
from tests.golden.reference_weights import fill

FOLDER = Path(__file__).parent / "reference"
GOLDEN = np.load(FOLDER / "networks.npz")


def assert_close(actual, name) -> None:
    """To 1e-4 of the reference's largest value."""
    reference = GOLDEN[name]
    np.testing.assert_allclose(actual, reference, rtol=0, atol=1e-4 * np.abs(reference).max())


@pytest.fixture(scope="module")
def outputs():
    """The maps of one forward in train mode and, after it, of one in eval mode.

    The weights come as in a published file: `model.weights` is held to its logits, too.
    """
    published = DeepLabV2()
    fill(published, "seg.")
    file = {
        f"module.{name}": value
        for name, value in published.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    segmenter = build_segmenter(ModelConfig(), 19)
    assert take(segmenter, file, "advent.pth").is_whole
    network = segmenter.network
    image = torch.from_numpy(GOLDEN["image"])
    with torch.no_grad():
        aux_train, main_train, _, _ = network.train()(image)
        running_mean = network.bn1.running_mean.clone()
        aux_eval, main_eval, _, _ = network.eval()(image)
    return {
        "aux_train": aux_train,
        "main_train": main_train,
        "bn1_running_mean_after_train_forward": running_mean,
        "aux_eval": aux_eval,
        "main_eval": main_eval,
    }


@pytest.mark.parametrize(
    "name",
    [
        "aux_train",
        "main_train",
        "bn1_running_mean_after_train_forward",
        "aux_eval",
        "main_eval",
    ],
)
def test_deeplab_v2(outputs, name) -> None:
    assert_close(outputs[name], name)


def test_discriminator() -> None:
    network = Discriminator(19)
    fill(network, "d_main.")
    main = torch.from_numpy(GOLDEN["main_train"])
    main = F.interpolate(main, size=(65, 97), mode="bilinear", align_corners=True)
    with torch.no_grad():
        logits = network(self_information(main.softmax(1)))
    assert_close(logits, "d_main_logits_on_train_main")


def test_names_and_shapes_are_the_published_ones() -> None:
    shapes = json.loads((FOLDER / "deeplabv2_state_dict_shapes.json").read_text())
    assert {n: list(v.shape) for n, v in DeepLabV2().state_dict().items()} == shapes
