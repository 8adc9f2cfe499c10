"""The rules by which `advent-dist pseudo-label` labels."""

from __future__ import annotations

from typing import Literal

RuleName = Literal["all", "confident", "portion", "class_balanced", "class_capped"]
"""See `runs.labelling.rules`."""
