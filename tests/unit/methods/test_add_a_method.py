"""The worked example of docs/add_a_method.md, as it stands there, trains."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, final

import pytest
import torch

from advent_dist.config.methods.supervised import SupervisedConfig
from advent_dist.config.override import override
from advent_dist.config.require import require
from advent_dist.losses import cross_entropy
from advent_dist.methods import METHODS
from advent_dist.methods.levels import logged, weighted
from advent_dist.methods.parts import Need, Parts
from advent_dist.methods.source import Source
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.types import IGNORE_INDEX, DomainBatch, Metrics
from tests.helpers import random_batch, tiny_experiment
from tune.space import ready_made

_TEXT = (Path(__file__).parents[3] / "docs" / "add_a_method.md").read_text()


def test_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, Any] = {
        **{one.__name__: one for one in (SupervisedConfig, dataclass, final, require)},
        **{one.__name__: one for one in (Source, cross_entropy, logged, weighted)},
        **{one.__name__: one for one in (DomainBatch, Parts)},
        "ClassVar": ClassVar,
        "Literal": Literal,
        "Need": Need,
        "Metrics": Metrics,
        "IGNORE_INDEX": IGNORE_INDEX,
        "METHODS": METHODS.copy(),
    }
    for block in re.findall(r"```python\n(.*?)```", _TEXT, re.DOTALL):
        exec(block, namespace)
    monkeypatch.setitem(METHODS, "sure", namespace["METHODS"]["sure"])

    base = override(tiny_experiment("streets_source_only"), {"engine.kind": "local"})
    experiment = replace(base, method=namespace["SureConfig"](threshold=0.06))
    assert "method.lambda_sure" in ready_made(experiment).distributions
    method = build_method(experiment, World(), torch.full((19,), 1 / 19))
    metrics = method.step(random_batch(0))
    assert set(metrics) == {"loss/seg", "loss/seg_aux", "loss/sure"}
    assert metrics["loss/sure"] > 0
    with pytest.raises(ValueError, match=r"method\.threshold = 2"):
        namespace["SureConfig"](threshold=2)
