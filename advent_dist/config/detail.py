"""Whether a method, its network and its images fit each other in two resolutions (HRDA)."""

from __future__ import annotations

from advent_dist.config.data import DataConfig
from advent_dist.config.engine import EngineConfig
from advent_dist.config.methods import DETAILED, MethodConfig
from advent_dist.config.require import Size, require


def require_detail_fits(
    crop: Size | None, method: MethodConfig, data: DataConfig, engine: EngineConfig
) -> None:
    """Refuse windows of detail that a method or its engine does not have, or images no room for.

    Args:
        crop: `model.detail_crop`.
        method: that trains the network.
        data: the images' sizes.
        engine: that executes it.

    Raises:
        ConfigError: they don't fit.
    """
    detailed = isinstance(method, DETAILED)
    fix = f"{method.name} looks at images once; leave it out, or choose the method hrda or mic_hrda"
    require(detailed or crop is None, "model.detail_crop", crop, fix)
    fix = (
        f"{method.name} looks at parts of images in full resolution; give their width and height, "
        "such as half of the images'"
    )
    require(not detailed or crop is not None, "model.detail_crop", crop, fix)
    if crop is None:
        return
    fix = "each window of model.detail_crop would be compiled by itself; set it to False"
    require(not engine.compile, "engine.compile", True, fix)
    trained = ("data.source_size", data.source_size)
    if data.augment.crop is not None:
        trained = ("data.augment.crop", data.augment.crop)
    evaluated = ("data.evaluation_size", data.evaluation_size)
    if data.evaluation_window is not None:
        evaluated = ("data.evaluation_window", data.evaluation_window)
    for field, size in (trained, evaluated):
        fits = size[0] % 8 == 0 and size[1] % 8 == 0
        fix = "with model.detail_crop, width and height must be multiples of 8"
        require(fits, field, size, fix)
    width, height = trained[1]
    fits = crop[0] <= width and crop[1] <= height
    fix = f"larger than the images that are trained on, {width}x{height}"
    require(fits, "model.detail_crop", crop, fix)
