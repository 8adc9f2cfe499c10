"""What can be told of a run before any worker starts, which takes far longer than to look."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from typing import NamedTuple

import torch

from advent_dist.config import Experiment, VFMUDAPlusPlusConfig
from advent_dist.data.classes import ClassSet
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.data.labels import lacking_classes, require_labels
from advent_dist.data.loader import TrainingLoader
from advent_dist.data.store import folder_url, impatient
from advent_dist.errors import ConfigError
from advent_dist.models.encoder import check_encoder, check_pretrained
from advent_dist.models.extractor import build_extractor, of_method
from advent_dist.models.taken import Taken
from advent_dist.models.weights import is_there
from advent_dist.printable import printable
from advent_dist.runs.detection.rehearsal import rehearse_detector, rehearse_detector_weights
from advent_dist.runs.rehearsal import rehearse, rehearse_weights
from advent_dist.training.global_batch import allowed_ranks


class Glance(NamedTuple):
    """What was seen of a run that can start."""

    surprises: list[str]
    """What may surprise, a sentence each."""

    weights: Taken | None
    """What it will take of its initial weights; none without any, or where this machine lacks the
    file."""

    def said(self) -> str:
        """All of that for a terminal; nothing, if all is as it looks."""
        lines = [f"warning: {sentence}\n" for sentence in self.surprises]
        if self.weights is not None and not self.weights.is_whole:
            lines.append(f"-- initial weights: {printable(self.weights.table())}\n")
        return "".join(lines)


def check(experiment: Experiment, classes: ClassSet) -> Glance:
    """Look at the manifests of all shards and go through the networks' shapes; read no sample.

    Args:
        experiment: The run to be.
        classes: Its classes; see `classes_of`.

    Raises:
        UserError: see `check_networks` and `check_shards`.
    """
    taken, weights = check_networks(experiment, classes.num_classes), experiment.model.weights
    surprises = check_shards(experiment)
    if weights is not None and taken is None:
        surprises.append(
            f"model.weights = {weights!r} is not on this machine: the workers have to have it, and "
            "what they take of it is not told here"
        )
    return Glance(surprises, taken)


def check_networks(experiment: Experiment, num_classes: int) -> Taken | None:
    """Whether the networks can be built and take the images that they are to be given.

    Returns:
        What of the initial weights is taken, if there are any and this machine has them.

    Raises:
        ConfigError: the encoder is unknown or does not take such images or batches, or there are
            no initial weights where they should be.
        CheckpointError: the initial weights are none, or those of another network.
    """
    # Another machine of a cluster may have a file, or a way out, that this one lacks.
    elsewhere = bool(experiment.cluster.address or os.environ.get("RAY_ADDRESS"))
    weights = experiment.model.weights
    is_read = weights is not None and (not elsewhere or is_there(weights))
    if experiment.network == "detector":
        rehearse_detector(experiment, num_classes)
        return rehearse_detector_weights(experiment, num_classes) if is_read else None
    model = experiment.segmenter
    if model.encoder != "deeplab_v2":
        check_encoder(model.encoder)
    rehearse(experiment, num_classes)
    if model.pretrained and model.encoder != "deeplab_v2" and not elsewhere:
        check_pretrained(model.encoder)
    if isinstance(experiment.method, VFMUDAPlusPlusConfig):
        _check_extractor(experiment.method, elsewhere)
    return rehearse_weights(experiment, num_classes) if is_read else None


def _check_extractor(method: VFMUDAPlusPlusConfig, elsewhere: bool) -> None:
    weights = method.distill_weights
    if method.distill_pretrained and not elsewhere:
        try:
            check_encoder(method.distill_encoder)
            check_pretrained(method.distill_encoder)
        except ConfigError as error:
            raise of_method(error) from None
    if weights is not None and elsewhere and not is_there(weights):
        method = replace(method, distill_weights=None)
    with torch.device("meta"), warnings.catch_warnings():
        # PyTorch warns that nothing is copied.
        warnings.simplefilter("ignore")
        build_extractor(replace(method, distill_pretrained=False))


def check_shards(experiment: Experiment) -> list[str]:
    """Look at the manifests of all shards.

    Returns:
        What may surprise, a sentence each: classes that labels have no pixel of.

    Raises:
        ConfigError: the global batch is no multiple of the workers.
        DataError: shards can't be reached, are too few for the workers, unlabelled or all void
            where labels are read, or of other classes.
    """
    allowed_ranks(experiment)
    data = replace(impatient(experiment.data), workers_per_rank=0)
    training = TrainingLoader(data, rank=0, world_size=experiment.cluster.workers, seed=0)
    training.close()
    require_labels(training.source_manifest, data.labels, folder_url(data, data.source))
    looked_at = {data.source: training.source_manifest}
    # Of these, source images alone must have labels.
    for folder in (data.evaluation, data.source_evaluation, data.held_out):
        if folder is not None:
            labelled = True if folder == data.source_evaluation else None
            loader = EvaluationLoader(data, folder, rank=0, world_size=1, labelled=labelled)
            looked_at[folder] = loader.manifest
    said = (
        lacking_classes(manifest, data.labels, folder_url(data, name))
        for name, manifest in looked_at.items()
    )
    return [sentence for sentence in said if sentence is not None]
