"""A sweep as plain data, finished or not: what a report is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from advent_dist.config.selection import ACCURACIES, Accuracy, accuracy_in, by_target_labels
from advent_dist.data.classes import ClassSet
from advent_dist.evaluation.overlap import Overlaps
from advent_dist.report.record import RunRecord
from tune import folder

Which = Literal["source_only", "published", "best"]


@dataclass(frozen=True, kw_only=True)
class Trial(folder.Trial):
    """One point of the space, with what its training reported."""

    run: RunRecord = field(default_factory=lambda: RunRecord(name=""))
    """Its metrics; empty before the first report."""

    url: str = ""
    """Its run folder."""


@dataclass(frozen=True, kw_only=True)
class Final:
    """One full-length training, evaluated on images that chose nothing."""

    which: Which
    """Whose configuration it has."""

    seed: int
    """Seed of the training."""

    state: Literal["running", "finished", "failed"] = "finished"
    """`failed`: it has no numbers."""

    values: dict[str, Any] = field(default_factory=dict)
    """Dotted config path -> value."""

    last: dict[str, Any] | None = None
    """Evaluation of the last checkpoint, as `Evaluation.to_json` gives it."""

    best: dict[str, Any] | None = None
    """Evaluation of the checkpoint that was best on the images that choose."""

    images: Overlaps | None = None
    """Of the last checkpoint, image by image; sweeps of old have none."""

    reason: str | None = None
    """Why it failed."""

    seconds: float | None = None
    """Wall seconds of training and evaluation since it was last started."""

    url: str = ""
    """Its run folder."""

    @property
    def is_labelled(self) -> bool:
        """Whether it was scored by labels."""
        numbers = [accuracy.number for accuracy in ACCURACIES.values()]
        found = [one for one in (self.last, self.best) if one is not None]
        return any(number in one for one in found for number in numbers)

    def evaluation(self, snapshot: str) -> dict[str, Any] | None:
        """Of `last` or `best`."""
        return self.last if snapshot == "last" else self.best


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What the scheduler decides by."""

    name: str
    """Name in the metrics of a trial."""

    mode: Literal["max", "min"] = "max"
    """Which end is good."""

    smoothing: int = 1
    """Evaluations whose median counts."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What a sweep left behind so far."""

    name: str
    """Name of the sweep."""

    experiment: dict[str, Any]
    """Resolved config of the run that is varied."""

    given: dict[str, Any] | None = None
    """The same as a file gave it, before the options had a say; none of a built-in name."""

    classes: ClassSet | None = None
    """Its classes; a sweep of old has only their name, in its config."""

    space: dict[str, dict[str, Any]]
    """Dotted config path -> distribution."""

    metric: Metric
    """What the scheduler decides by."""

    max_steps: int
    """Steps of a trial that is not ended early."""

    num_trials: int = 0
    """Trials that were planned."""

    published: dict[str, Any] = field(default_factory=dict)
    """Values of the point that the experiment comes with."""

    search: str = "random"
    """How points are drawn."""

    scheduler: str = "none"
    """`asha` ends trials early."""

    grace_steps: int | None = None
    """Steps that every trial gets."""

    reduction_factor: float | None = None
    """One of this many trials goes on at a rung."""

    rungs: list[int] = field(default_factory=list)
    """Steps at which the scheduler decides."""

    tune_folder: str = ""
    """Shards of the target images that choose."""

    report_folder: str | None = None
    """Shards of the target images that report, if there are such."""

    best: str | None = None
    """Id of the trial that won, once that is decided."""

    cpus_per_trial: float = 0.0
    """CPU cores that a trial holds."""

    gpus_per_trial: float = 0.0
    """GPUs that a trial holds."""

    price_per_hour: float | None = None
    """Price of a GPU, or of a CPU core where there is no GPU."""

    status: Literal["running", "finished", "interrupted"] = "running"
    """Whether it goes on."""

    seconds: float | None = None
    """Wall seconds of all its sessions."""

    resume_command: str | None = None
    """How to go on."""

    url: str = ""
    """Its folder."""

    trials: list[Trial] = field(default_factory=list)
    """By number."""

    finals: list[Final] = field(default_factory=list)
    """By configuration and seed."""

    unreadable: list[str] = field(default_factory=list)
    """What could not be read, and why."""

    @property
    def accuracy(self) -> Accuracy:
        """What its runs are scored by where there are target labels."""
        return accuracy_in(self.experiment)

    @property
    def chosen_by_labels(self) -> bool:
        """Whether target labels have chosen."""
        return by_target_labels(self.metric.name)

    @property
    def scored_by_labels(self) -> bool:
        """Whether there are labelled images that report, as far as that is known."""
        return not self.finals or any(final.is_labelled for final in self.finals)

    @property
    def reported_on(self) -> str:
        """The images that report: of no other folder, those that choose."""
        return self.report_folder or self.tune_folder
