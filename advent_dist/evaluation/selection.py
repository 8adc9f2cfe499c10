"""What chooses the best snapshot of a run: target labels where there are some, else a criterion."""

from __future__ import annotations

from advent_dist.config import DataConfig, Experiment
from advent_dist.config.selection import ACCURACIES, DEFAULT
from advent_dist.data.store import folder_url, read_manifest
from advent_dist.errors import ConfigError


def has_target_labels(data: DataConfig) -> bool:
    """Whether the images that a run is evaluated on have labels, by their manifest.

    Raises:
        DataError: it can't be read.
    """
    if data.evaluation is None:
        return False
    return read_manifest(folder_url(data, data.evaluation), data).has(data.labels)


def selection_of(experiment: Experiment, option: str = "run.select_by") -> str:
    """The measure that chooses the best snapshot: what `run.select_by` comes to.

    Args:
        experiment: The whole config.
        option: What a message calls it.

    Raises:
        ConfigError: it needs target labels, and there are none.
        DataError: the manifest of `data.evaluation` can't be read.
    """
    chosen, data = experiment.run.select_by, experiment.data
    accuracy = ACCURACIES[experiment.network].target
    if chosen not in ("auto", accuracy):
        return chosen
    if has_target_labels(data):
        return accuracy
    if chosen == "auto":
        return DEFAULT
    missing = "none" if data.evaluation is None else f"{data.evaluation!r} has no labels"
    raise ConfigError(
        f"{option} = {accuracy!r}: it needs labelled target images, but data.evaluation = "
        f"{missing}; name a folder of some there (a dozen will do), or choose by {DEFAULT!r}"
    )
