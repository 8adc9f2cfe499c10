"""Trained detectors, out of their run folders."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import UInt8
from torch import Tensor

from advent_dist.config import DetectorConfig, Experiment, View
from advent_dist.config.override import override
from advent_dist.config.require import require
from advent_dist.data.classes import ClassSet
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.models.detection.output import DetectorOutput
from advent_dist.models.detector import Detector, build_detector
from advent_dist.models.state_dicts import check_fits
from advent_dist.parallel.tf32 import set_tf32
from advent_dist.runs.trained import open_trained
from advent_dist.types import Detections


@dataclass(frozen=True, kw_only=True)
class TrainedDetector:
    """A run whose detector finds boxes."""

    experiment: Experiment
    """The run's config."""

    classes: ClassSet
    """The classes that it tells apart."""

    detector: Detector
    """In eval mode, with the weights of a checkpoint."""

    def look(self, images: UInt8[Tensor, "n 3 h w"]) -> DetectorOutput:
        """What is said of each anchor of images, on the detector's device."""
        set_tf32(self.experiment.engine.tf32)
        with torch.no_grad():
            output: DetectorOutput = self.detector(images)
        return output

    def find(
        self, images: UInt8[Tensor, "n 3 h w"], sizes: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        """The boxes of each image, in pixels of images of these widths and heights."""
        return self.detector.decode(self.look(images), sizes)

    @property
    def digest(self) -> str:
        """12 hex digits of what it makes of an image: its weights, and its size."""
        how = (self.experiment.data.evaluation_size, self.detector.decoding, self.classes)
        digest = hashlib.sha256(repr(how).encode())
        for name, values in self.detector.state_dict().items():
            digest.update(name.encode())
            digest.update(values.cpu().numpy().tobytes())
        return digest.hexdigest()[:12]


def is_detector(url: str) -> bool:
    """Whether a run's folder, or an export's, is of a detector.

    Raises:
        ConfigError: no run is there.
    """
    return isinstance(open_trained(url).experiment().model, DetectorConfig)


def load_detector(
    urls: Sequence[str], which: str, device: torch.device, view: View | None = None
) -> TrainedDetector:
    """The detector of a run, in eval mode on `device`.

    Args:
        urls: The run folder; a list, as of segmenters, of which there may be several.
        which: `last` or `best` checkpoint.
        device: Where to put it.
        view: Flags that a segmenter would have; a detector looks at images once and as a whole.

    Raises:
        ConfigError: no run is there, there are several, or a flag asks for another view.
        CheckpointError: it has no checkpoint yet, or one that does not fit its config.
    """
    if len(urls) > 1:
        raise ConfigError(
            f"{', '.join(urls)}: boxes of several detectors are not averaged; give one run"
        )
    _require_plain(view)
    run = open_trained(urls[0])
    # The checkpoint has every weight.
    experiment = override(run.experiment(), {"model.weights": None})
    classes = run.classes()
    detector = build_detector(experiment.detector, classes.num_classes)
    weights = run.weights(which)
    try:
        check_fits(weights, detector.state_dict(), what="the detector")
    except CheckpointError as error:
        raise CheckpointError(
            f"{urls[0]}: the {which} checkpoint does not fit its config.json: {error}"
        ) from None
    detector.load_state_dict(weights)
    detector.to(device).eval()
    return TrainedDetector(experiment=experiment, classes=classes, detector=detector)


def _require_plain(view: View | None) -> None:
    if view is None:
        return
    for field in fields(View):
        value = getattr(view, field.name)
        fix = "a detector looks at images once and as a whole; leave it out"
        require(value == field.default, f"--{field.name}", value, fix)
