"""Trainings of the tables as experiments, to search their values by.

    python benchmarks/adaptation.py --data DIR --tasks T2 --encoders lite0    # makes the shards
    python tune/search.py --experiment benchmarks/gaps/searched.py:t2_advent --data \
        runs/adaptation/data --space method.lambda_adv=loguniform:0.0003:0.03 \
        optimizer.segmenter_lr=loguniform:0.0001:0.002 --num-trials 9 --evaluate-every 44 \
        --grace-steps 44 --smoothing 1 --max-concurrent 1 --seeds-for-best 0

    ... searched.py:t4_dacs ... --space method.threshold=uniform:0.5:0.99 \
        method.teacher_decay=uniform:0.9:0.9995 optimizer.segmenter_lr=loguniform:0.0001:0.002 ...

    ... searched.py:t3_advent (or t5_advent) ... --space method.logit_adjustment=uniform:0:2 \
        method.lambda_adv=loguniform:0.0003:0.03 optimizer.segmenter_lr=loguniform:0.0001:0.002 ...

They are scored on `tune`; what is found is trained again by `adaptation.py --values`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # read as a file, it sees its own folder alone

from advent_dist.config import Experiment
from gaps.recipes import recipe

_ROOT = Path("runs/adaptation/data")


def t2_advent() -> Experiment:
    """Cambridge to India, AdvEnt, EfficientNet-lite0."""
    return _of("T2", "advent")


def t3_advent() -> Experiment:
    """Rendered suburb to India, AdvEnt, EfficientNet-lite0."""
    return _of("T3", "advent")


def t4_dacs() -> Experiment:
    """Rendered suburb to Cambridge, DACS, EfficientNet-lite0."""
    return _of("T4", "dacs")


def t5_advent() -> Experiment:
    """India to Cambridge, AdvEnt, EfficientNet-lite0."""
    return _of("T5", "advent")


def _of(task: str, method: str) -> Experiment:
    return recipe(task, "lite0", method, seed=1, steps=400, root=_ROOT, weights=Path())
