"""`advent-dist shards ...`: see the `shards` package."""

from __future__ import annotations

from shards.command import main

__all__ = ["main"]
