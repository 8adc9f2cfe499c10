"""How the segmenter is adapted: a file for each family of methods."""

from typing import Annotated

import tyro
from pydantic import Discriminator

from advent_dist.config.methods.adversarial import AdventConfig, AdventMinEntConfig
from advent_dist.config.methods.daformer import DAFormerConfig
from advent_dist.config.methods.detection import (
    DetectorAdventConfig,
    DetectorAdventMinEntConfig,
    DetectorMinEntConfig,
    DetectorSourceOnlyConfig,
)
from advent_dist.config.methods.hrda import HRDAConfig, MICHRDAConfig
from advent_dist.config.methods.mic import MICConfig, MICDACSConfig
from advent_dist.config.methods.minent import MinEntConfig
from advent_dist.config.methods.self_training import DACSConfig
from advent_dist.config.methods.supervised import SourceOnlyConfig
from advent_dist.config.methods.vfm_uda import VFMUDAConfig, VFMUDAPlusPlusConfig

DETAILED = (HRDAConfig, MICHRDAConfig)
"""Methods of networks that look at images in two resolutions."""

MASKING = (MICConfig, MICDACSConfig, MICHRDAConfig, VFMUDAConfig, VFMUDAPlusPlusConfig)
"""Methods that hide parts of target images."""

MIXING = (DACSConfig, DAFormerConfig, HRDAConfig, *MASKING)
"""Methods that paste pixels of one domain into the other, which must have one size for it."""

DETECTING = (
    DetectorSourceOnlyConfig,
    DetectorMinEntConfig,
    DetectorAdventConfig,
    DetectorAdventMinEntConfig,
)
"""Methods of detectors; all others are a segmenter's."""

MethodConfig = Annotated[
    SourceOnlyConfig
    | MinEntConfig
    | AdventConfig
    | AdventMinEntConfig
    | DACSConfig
    | DAFormerConfig
    | MICConfig
    | MICDACSConfig
    | VFMUDAConfig
    | VFMUDAPlusPlusConfig
    | HRDAConfig
    | MICHRDAConfig
    | DetectorSourceOnlyConfig
    | DetectorMinEntConfig
    | DetectorAdventConfig
    | DetectorAdventMinEntConfig,
    Discriminator("name"),
    tyro.conf.AvoidSubcommands,
]

__all__ = [
    "DETAILED",
    "DETECTING",
    "MASKING",
    "MIXING",
    "AdventConfig",
    "AdventMinEntConfig",
    "DACSConfig",
    "DAFormerConfig",
    "DetectorAdventConfig",
    "DetectorAdventMinEntConfig",
    "DetectorMinEntConfig",
    "DetectorSourceOnlyConfig",
    "HRDAConfig",
    "MICConfig",
    "MICDACSConfig",
    "MICHRDAConfig",
    "MethodConfig",
    "MinEntConfig",
    "SourceOnlyConfig",
    "VFMUDAConfig",
    "VFMUDAPlusPlusConfig",
]
