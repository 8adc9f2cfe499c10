"""One complete run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro
from pydantic import Discriminator, Tag

from advent_dist.config.cluster import ClusterConfig
from advent_dist.config.data import DataConfig
from advent_dist.config.detection import require_detection_fits
from advent_dist.config.detector import DetectorConfig
from advent_dist.config.engine import EngineConfig
from advent_dist.config.methods import MethodConfig
from advent_dist.config.model import ModelConfig
from advent_dist.config.optimizer import OptimizerConfig
from advent_dist.config.require import require, require_inside
from advent_dist.config.run import RunConfig
from advent_dist.config.segmentation import require_segmentation_fits
from advent_dist.config.selection import ACCURACIES
from advent_dist.errors import ConfigError


def _kind(model: object) -> str:
    """Which of the two a config is of, as an object or as JSON has it."""
    has = "detector" in model if isinstance(model, dict) else isinstance(model, DetectorConfig)
    return "detector" if has else "segmenter"


NetworkConfig = Annotated[
    Annotated[ModelConfig, Tag("segmenter")] | Annotated[DetectorConfig, Tag("detector")],
    Discriminator(_kind),
    tyro.conf.AvoidSubcommands,
]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One complete run."""

    name: str
    """Name of the experiment this config was made from."""

    data: DataConfig
    """Which shards are read, and how."""

    model: NetworkConfig = field(default_factory=ModelConfig)
    """The networks: a segmenter's, or a detector's."""

    method: MethodConfig
    """How the network is adapted."""

    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Optimisers and schedule."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    """How the models are executed."""

    run: RunConfig
    """Length, outputs and intervals."""

    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """The workers."""

    @property
    def network(self) -> Literal["segmenter", "detector"]:
        """What is trained: names its engine, and the file of its weights in checkpoints."""
        return "detector" if isinstance(self.model, DetectorConfig) else "segmenter"

    @property
    def segmenter(self) -> ModelConfig:
        """The networks of a run that trains a segmenter.

        Raises:
            ConfigError: it trains a detector.
        """
        if isinstance(self.model, DetectorConfig):
            raise ConfigError(
                f"{self.name} trains a detector ({self.model.detector}), and this is for segmenters"
            )
        return self.model

    @property
    def detector(self) -> DetectorConfig:
        """The networks of a run that trains a detector.

        Raises:
            ConfigError: it trains a segmenter.
        """
        if isinstance(self.model, ModelConfig):
            raise ConfigError(
                f"{self.name} trains a segmenter ({self.model.encoder}), and this is for detectors"
            )
        return self.model

    def __post_init__(self) -> None:
        require_inside("name", self.name)
        accumulation = self.engine.gradient_accumulation_steps
        require(
            self.run.global_batch_size is None or accumulation == 1,
            "engine.gradient_accumulation_steps",
            accumulation,
            "follows from run.global_batch_size; give one of the two",
        )
        accuracy, chosen = ACCURACIES[self.network], self.run.select_by
        known = ("auto", accuracy.target, accuracy.source, *accuracy.without)
        fix = f"a {self.network} has no such measure; choose from {', '.join(known)}"
        require(chosen in known, "run.select_by", chosen, fix)
        require(
            chosen != accuracy.source or self.data.source_evaluation is not None,
            "run.select_by",
            chosen,
            "set data.source_evaluation to a folder of labelled source images",
        )
        if isinstance(self.model, DetectorConfig):
            require_detection_fits(self.model, self.method, self.data, self.optimizer)
        else:
            require_segmentation_fits(
                self.model, self.method, self.data, self.optimizer, self.engine
            )
        data = self.data
        require(
            data.one_size or not data.augment.fda_beta,
            "data.augment.crop",
            None,
            "data.augment.fda_beta takes frequencies of target images into source images, which "
            "must have one size for it; give a width and height that both are cropped to",
        )
