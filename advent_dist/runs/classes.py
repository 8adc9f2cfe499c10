"""The classes of a run: what its manifests agree on, and later what its folder says."""

from __future__ import annotations

from advent_dist.config import DataConfig, Experiment
from advent_dist.data.class_file import parse_class_file
from advent_dist.data.class_sets import NAMES, class_set
from advent_dist.data.classes import ClassSet, first_difference
from advent_dist.data.labels import missing_labels
from advent_dist.data.store import Folder, folder_url, impatient, read_manifest
from advent_dist.errors import CheckpointError, ConfigError, DataError, MissingError
from advent_dist.training.checkpoint_files import CLASSES_FILE


def classes_of(experiment: Experiment) -> ClassSet:
    """The classes of a run to be, from the manifests of all its shards: those of the source.

    Raises:
        DataError: shards can't be reached, have other classes than the source or than
            `data.classes`, or the source has none.
    """
    data = impatient(experiment.data)
    source = folder_url(data, data.source)
    manifest = read_manifest(source, data)
    classes = manifest.classes_of(data.labels)
    if classes is None:
        raise missing_labels(manifest, data.labels, source)
    if data.classes not in (None, classes.name):
        raise DataError(
            f"{source}: its shards were built with the classes {classes.name}, but data.classes = "
            f"{data.classes!r}; build them again, correct data.classes or leave it out"
        )
    for name in ("target", "evaluation", "source_evaluation", "held_out"):
        folder = getattr(data, name)
        if folder is not None:
            url = folder_url(data, folder)
            others = read_manifest(url, data).classes_of(data.labels)
            require_agreement(classes, source, others, url)
    return classes


def require_agreement(
    classes: ClassSet, where: str, others: ClassSet | None, where_others: str
) -> None:
    """Refuse two sets of classes that give a train id different meanings.

    Args:
        classes: Of a run or of its source.
        where: Their folder, for the message.
        others: Those of a folder of shards; none agree with all.
        where_others: That folder.

    Raises:
        DataError: they differ; it shows where first.
    """
    difference = None if others is None else first_difference(classes, others)
    if others is not None and difference is not None:
        raise DataError(
            f"{where} has the classes {classes.name}, and {where_others} was built with the "
            f"classes {others.name}: {difference}; build it again with those classes"
        )


def expected_classes(experiment: Experiment) -> ClassSet | None:
    """The same of a run whose shards may not be there yet: then those of `data.classes`, if known.

    Raises:
        DataError: see `classes_of`; but not where shards are missing.
    """
    try:
        return classes_of(experiment)
    except MissingError:
        return class_set(experiment.data.classes) if experiment.data.classes in NAMES else None


def read_classes(folder: Folder, data: DataConfig) -> ClassSet:
    """The classes of a run from its folder; of a run of old the built-in ones of its config.

    Raises:
        DataError: the file is damaged.
        CheckpointError: there is none, and the config names no built-in class set.
    """
    if folder.exists(CLASSES_FILE):
        url = f"{folder.url}/{CLASSES_FILE}"
        return parse_class_file(folder.read(CLASSES_FILE), url).classes
    try:
        return class_set(data.classes or "")
    except ConfigError:
        raise CheckpointError(
            f"{folder.url} has no {CLASSES_FILE}; copy the whole run there again"
        ) from None
