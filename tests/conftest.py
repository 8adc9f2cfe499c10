"""Set before PyTorch starts computing."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from tests.dealt import ByRay

# The same instructions on every CPU, wherever in memory its operands lie, so that stored losses are
# the same on every machine.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")
os.environ.setdefault("MKL_CBWR", "AVX2,STRICT")
# Tests run two at a time, on two cores: one thread each, and where a test wants more, those that
# wait for the others do so asleep.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(autouse=True)
def _the_same_chance_in_any_order() -> None:
    """What draws from PyTorch's own generator depends on no test before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRay:
    return ByRay(config, log)
