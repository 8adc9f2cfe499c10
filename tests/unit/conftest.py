"""Properties are checked on the same examples in every run, however busy the machine is."""

from __future__ import annotations

import sys

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _no_ray_from_other_tests() -> None:
    """What a test finds must not depend on what its process ran before."""
    assert "ray" not in sys.modules or not sys.modules["ray"].is_initialized()
