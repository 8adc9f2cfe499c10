from __future__ import annotations

import pytest

from tests.golden.curves import METHODS, curve, read


@pytest.mark.parametrize("method", METHODS)
def test_curve_is_unchanged(method: str) -> None:
    """Otherwise either something broke, or `make golden` and a line in CHANGELOG.md are due."""
    for step, (now, stored) in enumerate(zip(curve(method), read(method), strict=True)):
        assert now == pytest.approx(stored, rel=1e-3), f"step {step}"
