"""The adaptation methods. A new paper is a new file here and a new entry in `METHODS`."""

from __future__ import annotations

from advent_dist.methods.advent import Advent
from advent_dist.methods.advent_minent import AdventMinEnt
from advent_dist.methods.minent import MinEnt
from advent_dist.methods.source_only import SourceOnly

METHODS: dict[str, type[SourceOnly | MinEnt | Advent | AdventMinEnt]] = {
    "source_only": SourceOnly,
    "minent": MinEnt,
    "advent": Advent,
    "advent_minent": AdventMinEnt,
}
"""Name in the config -> class; each takes (config, engines, source class prior float32 [C])."""

__all__ = ["METHODS"]
