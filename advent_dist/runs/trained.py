"""Trained segmenters, out of their run folders."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.data.classes import ClassSet, first_difference
from advent_dist.errors import CheckpointError
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.models.state_dicts import check_fits
from advent_dist.runs.folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A run whose segmenter predicts."""

    experiment: Experiment
    """The run's config."""

    classes: ClassSet
    """The classes that it predicts."""

    segmenter: Segmenter
    """In eval mode, with the weights of a checkpoint."""

    def predictor(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """The main head's logits at a size; see `counts.Predictor`."""
        main: Tensor = self.segmenter(images, size).main
        return main


def load_run(url: str, which: str, device: torch.device) -> TrainedRun:
    """The segmenter of a run, in eval mode on `device`.

    Args:
        url: The run folder.
        which: `last` or `best` checkpoint.
        device: Where to put it.

    Raises:
        ConfigError: no run is there.
        CheckpointError: it has no checkpoint yet, or one that does not fit its config.
    """
    run = RunFolder.open(url)
    # The checkpoint has every weight: initial ones, and the package that has them, can be absent.
    plain = {"model.weights": None, "model.pretrained": False}
    experiment = override(run.experiment(), plain)
    classes = run.classes()
    segmenter = build_segmenter(experiment.model, classes.num_classes)
    weights = run.weights(which)
    try:
        check_fits(weights, segmenter.state_dict(), what="the segmenter")
    except CheckpointError as error:
        raise CheckpointError(
            f"{url}: the {which} checkpoint does not fit the run's config.json: {error}"
        ) from None
    segmenter.load_state_dict(weights)
    segmenter.to(device).eval()
    return TrainedRun(experiment=experiment, classes=classes, segmenter=segmenter)


def load_runs(urls: list[str], which: str, device: torch.device) -> list[TrainedRun]:
    """The segmenters of several runs of one task; see `load_run`.

    Raises:
        CheckpointError: they predict different classes.
    """
    runs = [load_run(url, which, device) for url in urls]
    for url, run in zip(urls, runs, strict=True):
        difference = first_difference(runs[0].classes, run.classes)
        if difference is not None:
            raise CheckpointError(
                f"{urls[0]} predicts {runs[0].classes.name}, but {url} {run.classes.name}: "
                f"{difference}; evaluate them apart"
            )
    return runs


def available_device() -> torch.device:
    """The GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
