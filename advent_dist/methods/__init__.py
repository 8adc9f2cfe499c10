"""The adaptation methods. A new paper is a new file here and a new entry in `METHODS`."""

from __future__ import annotations

from advent_dist.methods.advent import Advent
from advent_dist.methods.advent_minent import AdventMinEnt
from advent_dist.methods.base import MethodClass
from advent_dist.methods.dacs import DACS
from advent_dist.methods.daformer import DAFormer
from advent_dist.methods.detection import DETECTION_METHODS
from advent_dist.methods.hrda import HRDA, MICHRDA
from advent_dist.methods.mic import MIC, MICDACS
from advent_dist.methods.minent import MinEnt
from advent_dist.methods.source_only import SourceOnly
from advent_dist.methods.vfm_uda import VFMUDA
from advent_dist.methods.vfm_uda_plus_plus import VFMUDAPlusPlus

METHODS: dict[str, MethodClass] = {
    "source_only": SourceOnly,
    "minent": MinEnt,
    "advent": Advent,
    "advent_minent": AdventMinEnt,
    "dacs": DACS,
    "daformer": DAFormer,
    "mic": MIC,
    "mic_dacs": MICDACS,
    "vfm_uda": VFMUDA,
    "vfm_uda_plus_plus": VFMUDAPlusPlus,
    "hrda": HRDA,
    "mic_hrda": MICHRDA,
    **DETECTION_METHODS,
}
"""Name in the config -> class; each takes (config, parts)."""

__all__ = ["METHODS"]
