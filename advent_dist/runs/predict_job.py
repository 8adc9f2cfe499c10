"""What `predict` is asked for, so that any process can begin to do a part of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from advent_dist.config import View
from advent_dist.data.store import open_folder
from advent_dist.runs.images import Images
from advent_dist.runs.predict import Predictor
from advent_dist.runs.results import Results
from advent_dist.runs.trained import available_device, load_runs


@dataclass(frozen=True, kw_only=True)
class PredictJob:
    """Runs, images, and where the results go; paths are absolute."""

    runs: tuple[str, ...]
    """Run folders or their URLs."""

    which: str
    """`last` or `best` checkpoint of each."""

    view: View
    """How they look at images."""

    images: Images
    """What is segmented."""

    out: str
    """Folder or URL of the results."""

    overlay: bool
    """Whether overlays are among them."""

    def predictor(self, device: torch.device | None = None) -> Predictor:
        """The models; see `prediction.Job`.

        Raises:
            ConfigError, CheckpointError, DataError: see `load_runs`.
        """
        device = device or available_device()
        runs = load_runs(list(self.runs), self.which, device, self.view)
        classes = runs[0].classes
        return Predictor(
            predictors=[run.coarse for run in runs],
            images=self.images,
            results=Results(open_folder(self.out), classes.palette, overlays=self.overlay),
            classes=classes,
            size=runs[0].experiment.data.evaluation_size,
            device=device,
            by="+".join(run.digest for run in runs),
        )
