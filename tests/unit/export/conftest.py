"""Networks are followed with sizes that are symbols: no whole numbers to a checker of types."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jaxtyping
import pytest
from timm.models import _registry

SHALLOW: dict[str, dict[str, Any]] = {
    "vit_small_patch16_dinov3": {"depth": 2},
    "swin_tiny_patch4_window7_224": {"depths": (2, 2, 2, 2)},
}
"""Networks with as many blocks as differ: each more takes a second to follow and to write."""


@pytest.fixture(scope="module", autouse=True)
def _unchecked() -> Iterator[None]:
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module", autouse=True)
def _shallow() -> Iterator[None]:
    entries = _registry._model_entrypoints
    with pytest.MonkeyPatch.context() as patch:
        for name, changes in SHALLOW.items():
            patch.setitem(entries, name, partial(entries[name], **changes))
        yield
