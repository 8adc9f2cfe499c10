"""AdaptSegNet (arXiv 1802.10349) on this project's network, against numbers of the published code.

Its own head sums two of its four convolutions (`model.head_dilations`); the reference was run with
all four as well. What is said of chaos in test_three_steps holds here too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from advent_dist.losses import Domain, domain_loss, least_squares_domain_loss
from advent_dist.models.decoders.dilated import DilatedHead
from advent_dist.models.discriminator import Discriminator
from advent_dist.models.segmenter import Segmenter
from tests.golden.adaptsegnet import CONFIGS, published_losses
from tests.golden.reference_weights import fill
from tests.golden.steps import method_on_published_networks, three_batches, train

FOLDER = Path(__file__).parent / "reference" / "methods"
HEAD = np.load(FOLDER / "adaptsegnet_head.npz")
OUTPUT = np.load(FOLDER / "adaptsegnet_output.npz")
STEPS = np.load(FOLDER / "adaptsegnet_three_steps.npz")

TOLERANCE = {"Vanilla": {0: 3e-5, 1: 0.06}, "LS": {0: 0.02}}
"""Step -> relative. The reference ran with other instructions: 1e-5 of a loss at step 0, per cent
later; a squared answer near 0 is that far off at once. With the reference's instructions, below, it
is nearer, and test_three_steps compares all of it in fp64."""


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
        ours = published_losses(row, STEPS["loss_names"])
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
        ours = published_losses(row, STEPS["loss_names"])
        tolerance = TOLERANCE["Vanilla"][step]
        assert ours == pytest.approx(expected[step], rel=tolerance), f"step {step}"


_INSTRUCTIONS = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_CBWR")
"""What holds the other tests to those that every CPU has."""


@pytest.mark.skipif(
    "avx512f" not in Path("/proc/cpuinfo").read_text(),
    reason="this CPU rounds otherwise than the reference's, and chaos makes that large",
)
@pytest.mark.parametrize(
    ("case", "engines", "losses", "norms"),
    [
        # Losses of each step, relative; norms of weights after the third. Step 2 of the published
        # head is 4 % off, where another rounding in step 1 has come to.
        ("four_dilations_LS", ("local", "0", "1", "2", "3"), (1e-5, 0.03, 0.03), 1e-3),
        ("four_dilations_Vanilla", ("local",), (1e-5, 0.03, 0.03), 0.02),
        ("two_dilations_Vanilla", ("local",), (1e-5, 0.03), 0.02),
    ],
)
def test_three_steps_with_the_instructions_of_the_reference(
    case: str, engines: tuple[str, ...], losses: tuple[float, ...], norms: float
) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in _INSTRUCTIONS}
    command = [sys.executable, "-m", "tests.golden.adaptsegnet", case, *engines]
    root = Path(__file__).parents[2]
    process = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    for engine, found in zip(engines, json.loads(process.stdout.splitlines()[-1]), strict=True):
        for step, tolerance in enumerate(losses):
            ours = published_losses(found["rows"][step], STEPS["loss_names"])
            expected = STEPS[f"{case}_losses"][step]
            assert ours == pytest.approx(expected, rel=tolerance), f"{engine}, step {step}"
        for network, names, published in (
            ("segmenter", [f"network.{one}" for one in STEPS["segmenter_names"]], "segmenter"),
            ("discriminator", STEPS["d_names"], "d_main"),
            ("discriminator_aux", STEPS["d_names"], "d_aux"),
        ):
            # The published network has two convolutions in its head that it does not sum.
            trained = found["norms"][network]
            norm = [trained[name] for name in names if name in trained]
            expected = STEPS[f"{case}_{published}_norms"][[name in trained for name in names]]
            np.testing.assert_allclose(norm, expected, rtol=norms, atol=1e-6, err_msg=engine)
