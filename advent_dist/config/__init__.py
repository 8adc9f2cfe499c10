"""Every knob of a run: a run is a function of its `Experiment`, frozen and validated when built.

`tyro` makes the command line out of these classes, so a field's docstring is also its help text.
"""

from advent_dist.config.call import Call
from advent_dist.config.cluster import ClusterConfig
from advent_dist.config.data import AugmentConfig, DataConfig, Labels
from advent_dist.config.detector import DetectorConfig
from advent_dist.config.engine import EngineConfig
from advent_dist.config.experiment import Experiment
from advent_dist.config.lora import LoRAConfig
from advent_dist.config.methods import (
    AdventConfig,
    AdventMinEntConfig,
    DACSConfig,
    DAFormerConfig,
    DetectorAdventConfig,
    DetectorAdventMinEntConfig,
    DetectorMinEntConfig,
    DetectorSourceOnlyConfig,
    HRDAConfig,
    MethodConfig,
    MICConfig,
    MICDACSConfig,
    MICHRDAConfig,
    MinEntConfig,
    SourceOnlyConfig,
    VFMUDAConfig,
    VFMUDAPlusPlusConfig,
)
from advent_dist.config.model import ModelConfig
from advent_dist.config.optimizer import OptimizerConfig
from advent_dist.config.require import Size
from advent_dist.config.run import RunConfig
from advent_dist.config.sliding import Average, Sliding
from advent_dist.config.view import Several, View

__all__ = [
    "AdventConfig",
    "AdventMinEntConfig",
    "AugmentConfig",
    "Average",
    "Call",
    "ClusterConfig",
    "DACSConfig",
    "DAFormerConfig",
    "DataConfig",
    "DetectorAdventConfig",
    "DetectorAdventMinEntConfig",
    "DetectorConfig",
    "DetectorMinEntConfig",
    "DetectorSourceOnlyConfig",
    "EngineConfig",
    "Experiment",
    "HRDAConfig",
    "Labels",
    "LoRAConfig",
    "MICConfig",
    "MICDACSConfig",
    "MICHRDAConfig",
    "MethodConfig",
    "MinEntConfig",
    "ModelConfig",
    "OptimizerConfig",
    "RunConfig",
    "Several",
    "Size",
    "Sliding",
    "SourceOnlyConfig",
    "VFMUDAConfig",
    "VFMUDAPlusPlusConfig",
    "View",
]
