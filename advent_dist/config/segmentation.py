"""What fits together in a segmenter's training."""

from __future__ import annotations

from advent_dist.config.data import DataConfig
from advent_dist.config.detail import require_detail_fits
from advent_dist.config.engine import EngineConfig
from advent_dist.config.methods import DETECTING, MASKING, MIXING, MethodConfig
from advent_dist.config.model import ModelConfig
from advent_dist.config.optimizer import OptimizerConfig
from advent_dist.config.require import require


def require_segmentation_fits(
    model: ModelConfig,
    method: MethodConfig,
    data: DataConfig,
    optimizer: OptimizerConfig,
    engine: EngineConfig,
) -> None:
    """Refuse sections of a config that don't go together.

    Raises:
        ConfigError: a field asks for what another one has not.
    """
    fix = "it adapts a detector; take a method of segmenters, or a detector's model"
    require(not isinstance(method, DETECTING), "method.name", method.name, fix)
    fix = "a segmenter learns from label maps; set it to pixels, or take a detector's model"
    require(data.labels == "pixels", "data.labels", data.labels, fix)
    repeats = optimizer.published_repeats
    fits = model.encoder == "deeplab_v2" and optimizer.segmenter == "sgd"
    require(
        fits or not repeats,
        "optimizer.published_repeats",
        repeats,
        "only the paper's network has them (model.encoder = deeplab_v2 with "
        "optimizer.segmenter = sgd); set it to False",
    )
    require(
        isinstance(method, MASKING) or not model.mask_token,
        "model.mask_token",
        True,
        f"{method.name} hides nothing of images; set it to False, or take method.name mic",
    )
    require_detail_fits(model.detail_crop, method, data, engine)
    require(
        data.one_size or not isinstance(method, MIXING),
        "data.augment.crop",
        None,
        f"{method.name} pastes parts of source images into target images, which must "
        "have one size for it; give a width and height that both domains are cropped to",
    )
