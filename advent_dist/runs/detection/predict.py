"""A detector and photographs to the boxes that it finds in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from advent_dist.config import View
from advent_dist.data.classes import ClassSet
from advent_dist.data.store import open_folder
from advent_dist.evaluation.detection.anchors import AnchorSums, criteria_of_anchors
from advent_dist.models.detection.output import DetectorOutput
from advent_dist.runs.detection.results import BoxResults
from advent_dist.runs.detection.trained import TrainedDetector, load_detector
from advent_dist.runs.images import Images
from advent_dist.runs.predict import as_input
from advent_dist.runs.prediction import Outcome, predict_each
from advent_dist.runs.seen import Seen
from advent_dist.runs.trained import available_device


@dataclass(frozen=True, kw_only=True)
class BoxPredictor:
    """A detector, and where the images come from and the boxes go to; see `BoxResults`."""

    run: TrainedDetector
    """The detector, in eval mode."""

    images: Images
    """What is looked at; boxes are in pixels of each image as it is."""

    results: BoxResults
    """Where the boxes go."""

    device: torch.device
    """Where the detector is."""

    by: str
    """Digest of the detector and of how its boxes are drawn."""

    @property
    def classes(self) -> ClassSet:
        """What the detector tells apart."""
        return self.run.classes

    def predict(self, names: Sequence[str]) -> Iterator[Outcome]:
        """Find the boxes of these images; see `predict_each`."""
        return predict_each(self.images, names, self._seen)

    def _seen(self, name: str, image: Image.Image) -> Callable[[], Seen]:
        """What writes the boxes of an image."""
        size = self.run.experiment.data.evaluation_size
        output = self.run.look(as_input(image, size).to(self.device))
        (found,) = self.run.detector.decode(output, [(image.width, image.height)])
        found = found.to(torch.device("cpu"))
        sure = found.label[found.score >= self.results.least_score]
        seen = Seen(
            by=self.by,
            stamp=self.images.stamps[name],
            entropy=mean_entropy(output),
            found=dict(Counter(sure.tolist())),
        )

        def write() -> Seen:
            self.results.write(name, seen, image, found)
            return seen

        return write


def mean_entropy(output: DetectorOutput) -> float:
    """Of the anchors of an image that see an object, in 0..1; 0 where none does.

    Raises:
        DivergedError: what is predicted is not finite.
    """
    sums = AnchorSums.of(output.class_logits)
    criteria_of_anchors(sums)
    return min(float(sums.entropy) / max(int(sums.anchors), 1), 1.0)


@dataclass(frozen=True, kw_only=True)
class DetectJob:
    """A run of a detector, images, and where the boxes go; paths are absolute."""

    runs: tuple[str, ...]
    """The run folder or its URL."""

    which: str
    """`last` or `best` checkpoint."""

    view: View
    """How a segmenter would look at images; see `load_detector`."""

    images: Images
    """What is looked at."""

    out: str
    """Folder or URL of the results."""

    least_score: float
    """Of the boxes that are drawn, and counted."""

    def predictor(self, device: torch.device | None = None) -> BoxPredictor:
        """The detector; see `prediction.Job`."""
        device = device or available_device()
        run = load_detector(self.runs, self.which, device, self.view)
        return BoxPredictor(
            run=run,
            images=self.images,
            results=BoxResults(open_folder(self.out), run.classes, self.least_score),
            device=device,
            by=f"{run.digest}+{self.least_score}",
        )
