"""What fits together in a detector's training."""

from __future__ import annotations

from advent_dist.config.data import DataConfig
from advent_dist.config.detector import DetectorConfig
from advent_dist.config.methods import DETECTING, MethodConfig
from advent_dist.config.optimizer import OptimizerConfig
from advent_dist.config.require import require


def require_detection_fits(
    model: DetectorConfig, method: MethodConfig, data: DataConfig, optimizer: OptimizerConfig
) -> None:
    """Refuse sections of a config that don't go together.

    Raises:
        ConfigError: a field asks for what a detector has not.
    """
    fix = f"it adapts a segmenter; {model.detector} is adapted by the methods detector_..."
    require(isinstance(method, DETECTING), "method.name", method.name, fix)
    fix = f"{model.detector} learns from boxes; set it to boxes"
    require(data.labels == "boxes", "data.labels", data.labels, fix)
    fix = "only the paper's segmenter has them; set it to False"
    repeats = optimizer.published_repeats
    require(not repeats, "optimizer.published_repeats", repeats, fix)
    decay = optimizer.layer_decay
    fix = "a detector's backbone has one learning rate; leave it 1"
    require(decay == 1, "optimizer.layer_decay", decay, fix)
    fix = "a detector sees images as a whole; leave it out"
    require(data.evaluation_window is None, "data.evaluation_window", data.evaluation_window, fix)
    fix = "images are drawn by the pixels of their classes, of which boxes have none; leave it out"
    temperature = data.rare_class_temperature
    require(temperature is None, "data.rare_class_temperature", temperature, fix)
