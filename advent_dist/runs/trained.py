"""Trained segmenters, out of their run folders or of exports."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advent_dist.config import Experiment, Sliding, View
from advent_dist.config.override import override
from advent_dist.config.require import require
from advent_dist.config.sliding import sliding
from advent_dist.data.classes import ClassSet, first_difference
from advent_dist.data.store import open_folder
from advent_dist.errors import CheckpointError
from advent_dist.models.adapters import merge_adapters
from advent_dist.models.hrda import MULTIPLE
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.models.sliding import main_logits, slide
from advent_dist.models.state_dicts import check_fits
from advent_dist.models.test_time import augmented
from advent_dist.models.upsampling import CoarseLogits
from advent_dist.parallel.tf32 import set_tf32
from advent_dist.runs.exported import ExportFolder, is_export
from advent_dist.runs.folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A run whose segmenter predicts."""

    experiment: Experiment
    """The run's config."""

    classes: ClassSet
    """The classes that it predicts."""

    segmenter: Segmenter
    """In eval mode, with the weights of a checkpoint; adapters are merged into them."""

    sliding: Sliding | None
    """The windows that images are predicted in; none for images as a whole."""

    scales: tuple[float, ...] = (1.0,)
    """The sizes that they are seen at; see `View.scales`."""

    flip: bool = False
    """Whether they are also seen mirrored."""

    def predictor(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """The main head's logits at a size; see `counts.Predictor`."""
        if self._repeats:
            return self.coarse(images).upsample(size)
        return main_logits(self._network, images, size, self.sliding)

    def coarse(self, images: Tensor) -> CoarseLogits:
        """The same before they are upsampled; see `bands.CoarsePredictor`."""
        if self._repeats:
            detailed = self.experiment.segmenter.detail_crop is not None
            multiple = MULTIPLE if detailed else 1
            return augmented(self._once, images, self.scales, flip=self.flip, multiple_of=multiple)
        return self._once(images)

    @property
    def digest(self) -> str:
        """12 hex digits of what it makes of an image: its weights, and how it looks."""
        size = self.experiment.data.evaluation_size
        how = (size, self.sliding, self.scales, self.flip, self.classes)
        digest = hashlib.sha256(repr(how).encode())
        for name, values in self.segmenter.state_dict().items():
            digest.update(name.encode())
            digest.update(values.cpu().numpy().tobytes())
        return digest.hexdigest()[:12]

    @property
    def _repeats(self) -> bool:
        return self.flip or self.scales != (1.0,)

    def _once(self, images: Tensor) -> CoarseLogits:
        if self.sliding is None:
            return self._network.coarse(images)
        return slide(self._network, images, self.sliding)

    @property
    def _network(self) -> Segmenter:
        """The segmenter, where this process rounds as the run did: others may have others' way."""
        set_tf32(self.experiment.engine.tf32)
        return self.segmenter


def open_trained(url: str) -> RunFolder | ExportFolder:
    """The folder of a run, or of an export of one.

    Raises:
        ConfigError: it is neither.
    """
    folder = open_folder(url)
    return ExportFolder(folder) if is_export(folder) else RunFolder.open(url)


def load_run(url: str, which: str, device: torch.device) -> TrainedRun:
    """The segmenter of a run, in eval mode on `device`.

    Args:
        url: The run folder, or that of an export.
        which: `last` or `best` checkpoint; an export has one alone.
        device: Where to put it.

    Raises:
        ConfigError: no run is there, or it is of a detector.
        CheckpointError: it has no checkpoint yet, or one that does not fit its config.
    """
    run = open_trained(url)
    # The checkpoint has every weight: initial ones, and the package that has them, can be absent.
    plain = {"model.weights": None, "model.pretrained": False}
    given = run.experiment()
    _ = given.segmenter  # which a detector's run has not
    experiment = override(given, plain)
    classes = run.classes()
    segmenter = build_segmenter(experiment.segmenter, classes.num_classes)
    weights = run.weights(which)
    try:
        check_fits(weights, segmenter.state_dict(), what="the segmenter")
    except CheckpointError as error:
        raise CheckpointError(
            f"{url}: the {which} checkpoint does not fit its config.json: {error}"
        ) from None
    segmenter.load_state_dict(weights)
    merge_adapters(segmenter)
    segmenter.to(device).eval()
    return TrainedRun(
        experiment=experiment,
        classes=classes,
        segmenter=segmenter,
        sliding=experiment.data.sliding,
    )


def load_runs(
    urls: list[str],
    which: str,
    device: torch.device,
    view: View | None = None,
) -> list[TrainedRun]:
    """The segmenters of several runs of one task; see `load_run`.

    They predict images of the first one's `data.evaluation_size`, and in its windows.

    Args:
        urls: The run folders.
        which: `last` or `best` checkpoint.
        device: Where to put them.
        view: What is asked for in place of the first run's own view; none changes nothing.

    Raises:
        ConfigError: no such window, stride or scale can be, or there are no windows.
        CheckpointError: they predict different classes.
    """
    runs = [load_run(url, which, device) for url in urls]
    data = runs[0].experiment.data
    windows = data.sliding
    view = view or View()
    view.require_scales()
    if (view.window, view.stride) != (None, None):
        windows = sliding(
            view.window, view.stride, data.evaluation_size, data.evaluation_average, prefix="--"
        )
    if view.window is not None and any(run.experiment.segmenter.detail_crop for run in runs):
        fix = f"a run has model.detail_crop; give multiples of {MULTIPLE}"
        require(all(side % MULTIPLE == 0 for side in view.window), "--window", view.window, fix)
    if view.average is not None:
        fix = "there are no windows; give --window too"
        require(windows is not None, "--average", view.average, fix)
        windows = windows and replace(windows, average=view.average)
    require_same_classes(urls, runs)
    return [replace(run, sliding=windows, scales=view.scales, flip=view.flip) for run in runs]


def require_same_classes(urls: Sequence[str], runs: Sequence[TrainedRun]) -> None:
    """Refuse runs that a number of a class means different things to.

    Raises:
        CheckpointError: they predict different classes.
    """
    for url, run in zip(urls, runs, strict=True):
        difference = first_difference(runs[0].classes, run.classes)
        if difference is not None:
            raise CheckpointError(
                f"{urls[0]} predicts {runs[0].classes.name}, but {url} {run.classes.name}: "
                f"{difference}; evaluate them apart"
            )


def available_device() -> torch.device:
    """The GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
