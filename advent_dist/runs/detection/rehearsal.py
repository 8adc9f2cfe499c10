"""A detector's training step on shapes alone; see `runs.rehearsal`."""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch

from advent_dist.config import Experiment
from advent_dist.config.methods.detection import DetectorAdaptationConfig
from advent_dist.errors import ConfigError
from advent_dist.methods.detection.adapted import require_classes
from advent_dist.methods.detection.levels import chosen_levels
from advent_dist.models.detection.weights import load_detector_weights
from advent_dist.models.detector import Detector, build_detector
from advent_dist.models.taken import Taken


def rehearse_detector(experiment: Experiment, num_classes: int) -> None:
    """Build an experiment's detector and take a batch through it.

    Any size of images will do: a detector resizes them to its own.

    Args:
        experiment: The whole config.
        num_classes: C, without the background.

    Raises:
        ConfigError: the detector can't be built, has no such maps as are to be adapted, or can't be
            trained on such batches.
    """
    detector = _without_numbers(experiment, num_classes)
    if isinstance(experiment.method, DetectorAdaptationConfig):
        chosen_levels(experiment.method, detector.levels)
        require_classes(experiment.method, num_classes)
    batch, (width, height) = experiment.data.batch_size_per_rank, detector.size[::-1]
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            detector.train()(torch.empty(batch, 3, height, width, dtype=torch.uint8))
    except ValueError as error:  # of BatchNorm, on a map of one cell
        raise ConfigError(
            f"model.detector = {experiment.detector.detector!r}: it can't train on batches of "
            f"{batch} (data.batch_size_per_rank), where its normalisation sees one value a channel "
            f"({error}); give batches of 2 or more, or take ssd300_vgg16, which normalises nothing"
        ) from None
    if experiment.engine.activation_checkpointing:
        detector.enable_activation_checkpointing()


def rehearse_detector_weights(experiment: Experiment, num_classes: int) -> Taken:
    """Read the initial weights and see whether they fit; see `rehearsal.rehearse_weights`.

    Raises:
        ConfigError: there is no such file or package.
        CheckpointError: the file holds no weights, or not those of this network.
    """
    detector = _without_numbers(experiment, num_classes)
    with warnings.catch_warnings():
        # PyTorch warns that nothing is copied.
        warnings.simplefilter("ignore")
        return load_detector_weights(detector, str(experiment.detector.weights))


def _without_numbers(experiment: Experiment, num_classes: int) -> Detector:
    plain = replace(experiment.detector, weights=None)
    with torch.device("meta"):
        return build_detector(plain, num_classes)
