"""Imported once, before any rank is forked: DeepSpeed would import it in each, for 3 seconds."""

from __future__ import annotations

import importlib

for _module in ("advent_dist.parallel.deepspeed", "deepspeed.runtime.zero.muon.muon_optimizer"):
    importlib.import_module(_module)
