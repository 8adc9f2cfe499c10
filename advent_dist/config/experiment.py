"""One complete run."""

from __future__ import annotations

from dataclasses import dataclass, field

from advent_dist.config.cluster import ClusterConfig
from advent_dist.config.data import DataConfig
from advent_dist.config.detail import require_detail_fits
from advent_dist.config.engine import EngineConfig
from advent_dist.config.methods import MASKING, MIXING, MethodConfig
from advent_dist.config.model import ModelConfig
from advent_dist.config.optimizer import OptimizerConfig
from advent_dist.config.require import require, require_inside
from advent_dist.config.run import RunConfig


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One complete run."""

    name: str
    """Name of the experiment this config was made from."""

    data: DataConfig
    """Which shards are read, and how."""

    model: ModelConfig = field(default_factory=ModelConfig)
    """The networks."""

    method: MethodConfig
    """How the segmenter is adapted."""

    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Optimisers and schedule."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    """How the models are executed."""

    run: RunConfig
    """Length, outputs and intervals."""

    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """The workers."""

    def __post_init__(self) -> None:
        require_inside("name", self.name)
        accumulation = self.engine.gradient_accumulation_steps
        require(
            self.run.global_batch_size is None or accumulation == 1,
            "engine.gradient_accumulation_steps",
            accumulation,
            "follows from run.global_batch_size; give one of the two",
        )
        require(
            self.run.select_by != "source_miou" or self.data.source_evaluation is not None,
            "run.select_by",
            self.run.select_by,
            "set data.source_evaluation to a folder of labelled source images",
        )
        repeats = self.optimizer.published_repeats
        fits = self.model.encoder == "deeplab_v2" and self.optimizer.segmenter == "sgd"
        require(
            fits or not repeats,
            "optimizer.published_repeats",
            repeats,
            "only the paper's network has them (model.encoder = deeplab_v2 with "
            "optimizer.segmenter = sgd); set it to False",
        )
        require(
            isinstance(self.method, MASKING) or not self.model.mask_token,
            "model.mask_token",
            True,
            f"{self.method.name} hides nothing of images; set it to False, or take method.name mic",
        )
        data = self.data
        require_detail_fits(self.model.detail_crop, self.method, data)
        one_size = data.augment.crop is not None or (
            data.source_size == data.target_size and data.augment.scale[0] == data.augment.scale[1]
        )
        require(
            one_size or not isinstance(self.method, MIXING),
            "data.augment.crop",
            None,
            f"{self.method.name} pastes parts of source images into target images, which must "
            "have one size for it; give a width and height that both domains are cropped to",
        )
        require(
            one_size or not data.augment.fda_beta,
            "data.augment.crop",
            None,
            "data.augment.fda_beta takes frequencies of target images into source images, which "
            "must have one size for it; give a width and height that both are cropped to",
        )
