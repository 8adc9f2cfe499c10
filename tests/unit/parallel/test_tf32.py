"""PyTorch's own flags, which are there without a GPU, too."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import torch

from advent_dist.config.override import from_json, to_json
from advent_dist.evaluation import counts
from advent_dist.experiments import experiment
from advent_dist.parallel.tf32 import full_matrix_products, set_tf32


def _flags() -> tuple[bool, bool]:
    """Of convolutions and of matrix products."""
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    convolutions, products = _flags()
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = convolutions, products


@pytest.mark.parametrize("on", [True, False])
def test_both_kinds_of_operations_are_meant(on: bool) -> None:
    set_tf32(on)
    assert _flags() == (on, on)


@pytest.mark.parametrize("on", [True, False])
def test_what_measures_has_whole_matrix_products(on: bool) -> None:
    set_tf32(on)
    with full_matrix_products():
        assert _flags() == (on, False)
    assert _flags() == (on, on)


def test_evaluations_measure_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    of_pixels, of_images = counts.certainty_of, counts.PredictionSums.of_images
    monkeypatch.setattr(counts, "certainty_of", lambda x: (found.append(_flags()), of_pixels(x))[1])
    monkeypatch.setattr(
        counts.PredictionSums, "of_images", lambda x: (found.append(_flags()), of_images(x))[1]
    )
    set_tf32(True)
    counts.count(torch.randn(1, 3, 8, 8), torch.zeros(1, 8, 8, dtype=torch.uint8))
    assert found == [(True, False)] * 2


def test_a_config_that_is_older_has_pytorchs_way_for_convolutions() -> None:
    tree = json.loads(to_json(experiment("streets_advent")))
    del tree["engine"]["tf32"]
    assert from_json(json.dumps(tree)) == experiment("streets_advent")
    assert experiment("streets_advent").engine.tf32
