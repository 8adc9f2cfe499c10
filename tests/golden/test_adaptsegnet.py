"""AdaptSegNet (arXiv 1802.10349) on this project's network, against numbers of the published code.

Its own head sums two of its four convolutions (`model.head_dilations`); the reference was run with
all four as well. What is said of chaos in test_three_steps holds here too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from advent_dist.config import AdventConfig
from advent_dist.losses import Domain, domain_loss, least_squares_domain_loss
from advent_dist.models.decoders.dilated import DilatedHead
from advent_dist.models.discriminator import Discriminator
from advent_dist.models.segmenter import Segmenter
from tests.golden.reference_weights import fill
from tests.golden.steps import method_on_published_networks, three_batches, train

FOLDER = Path(__file__).parent / "reference" / "methods"
HEAD = np.load(FOLDER / "adaptsegnet_head.npz")
OUTPUT = np.load(FOLDER / "adaptsegnet_output.npz")
STEPS = np.load(FOLDER / "adaptsegnet_three_steps.npz")

CONFIGS = {
    "Vanilla": AdventConfig(adversary_sees="probabilities"),
    "LS": AdventConfig(
        adversary_sees="probabilities",
        gan_loss="least_squares",
        lambda_seg_aux=0.0,
        lambda_adv_aux=0.0,
        lambda_adv=0.01,
    ),
}
TOLERANCE = {"Vanilla": {0: 3e-5, 1: 0.06}, "LS": {0: 0.02}}
"""Step -> relative. The reference ran with other instructions: 1e-5 of a loss at step 0, per cent
later; a squared answer near 0 is that far off at once. test_three_steps compares all of it in fp64.
"""

NAMES = {
    "seg_aux": "loss/seg_aux",
    "seg_main": "loss/seg",
    "adv_aux": "loss/adv_aux",
    "adv_main": "loss/adv",
    "d_source_aux": "loss/discriminator_aux_source",
    "d_source_main": "loss/discriminator_source",
    "d_target_aux": "loss/discriminator_aux_target",
    "d_target_main": "loss/discriminator_target",
}


def test_what_the_discriminator_sees_and_answers() -> None:
    height, width = OUTPUT["input_size"]
    logits = torch.nn.functional.interpolate(
        torch.from_numpy(OUTPUT["logits"]),
        size=(int(height), int(width)),
        mode="bilinear",
        align_corners=True,
    )
    network = Discriminator(19)
    fill(network, "d_main.")
    with torch.no_grad():
        answer = network(logits.softmax(1))
    np.testing.assert_allclose(answer, OUTPUT["d_out"], rtol=1e-5, atol=1e-6)
    for name, loss in (("bce", domain_loss), ("mse", least_squares_domain_loss)):
        for domain in Domain:
            expected = float(OUTPUT[f"{name}_{domain.name.lower()}{domain.value}"])
            assert float(loss(answer, domain)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gan", CONFIGS)
def test_three_steps(gan: str) -> None:
    method = method_on_published_networks(CONFIGS[gan])
    expected = STEPS[f"four_dilations_{gan}_losses"]
    rows = train(method, three_batches())
    for step, tolerance in TOLERANCE[gan].items():
        row = rows[step]
        # The published log shows a discriminator's losses before they are halved.
        ours = [row[NAMES[n]] * (2 if n.startswith("d_") else 1) for n in STEPS["loss_names"]]
        assert ours == pytest.approx(expected[step], rel=tolerance), f"step {step}"
    segmenter = method.engines["segmenter"].module
    assert isinstance(segmenter, Segmenter)
    values = segmenter.network.state_dict()
    norms = [float(values[name].double().norm()) for name in STEPS["segmenter_names"]]
    expected = STEPS[f"four_dilations_{gan}_segmenter_norms"]
    np.testing.assert_allclose(norms, expected, rtol=0.02, atol=1e-6)


def test_the_published_head() -> None:
    features = torch.from_numpy(HEAD["feature"])
    head = DilatedHead(features.shape[1], num_classes=5, dilations=2)
    fill(head, "head.")
    with torch.no_grad():
        logits = head(features)
    np.testing.assert_allclose(logits, HEAD["two_dilations"], rtol=1e-5, atol=1e-5)


def test_two_steps_with_the_published_head() -> None:
    method = method_on_published_networks(CONFIGS["Vanilla"], head_dilations=2)
    expected = STEPS["two_dilations_Vanilla_losses"]
    for step, row in enumerate(train(method, three_batches()[:2])):
        ours = [row[NAMES[n]] * (2 if n.startswith("d_") else 1) for n in STEPS["loss_names"]]
        tolerance = TOLERANCE["Vanilla"][step]
        assert ours == pytest.approx(expected[step], rel=tolerance), f"step {step}"
