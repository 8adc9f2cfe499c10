"""What can be told of a run before any worker starts, which takes far longer than to look."""

from __future__ import annotations

import os
from dataclasses import replace

from advent_dist.config import Experiment
from advent_dist.data.classes import ClassSet
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.data.loader import TrainingLoader
from advent_dist.data.manifest import lacking, require_labelled_pixels
from advent_dist.data.store import folder_url, impatient
from advent_dist.models.encoder import check_encoder, check_pretrained
from advent_dist.models.weights import is_there
from advent_dist.runs.rehearsal import rehearse, rehearse_weights
from advent_dist.training.global_batch import allowed_ranks


def check(experiment: Experiment, classes: ClassSet) -> list[str]:
    """Look at the manifests of all shards and go through the networks' shapes; read no sample.

    Args:
        experiment: The run to be.
        classes: Its classes; see `classes_of`.

    Returns:
        What may surprise, a sentence each: classes that labels have no pixel of.

    Raises:
        UserError: see `check_networks` and `check_shards`.
    """
    check_networks(experiment, classes.num_classes)
    return check_shards(experiment)


def check_networks(experiment: Experiment, num_classes: int) -> None:
    """Whether the networks can be built and take the images that they are to be given.

    Raises:
        ConfigError: the encoder is unknown or does not take such images or batches, or there are
            no initial weights where they should be.
        CheckpointError: the initial weights are none, or those of another network.
    """
    model = experiment.model
    if model.encoder != "deeplab_v2":
        check_encoder(model.encoder)
    rehearse(experiment, num_classes)
    # Another machine of a cluster may have a file, or a way out, that this one lacks.
    elsewhere = bool(experiment.cluster.address or os.environ.get("RAY_ADDRESS"))
    if model.pretrained and model.encoder != "deeplab_v2" and not elsewhere:
        check_pretrained(model.encoder)
    if model.weights is not None and not (elsewhere and not is_there(model.weights)):
        rehearse_weights(experiment, num_classes)


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
    require_labelled_pixels(training.source_manifest, folder_url(data, data.source))
    looked_at = {data.source: training.source_manifest}
    # Of these, source images alone must have labels.
    for folder in (data.evaluation, data.source_evaluation, data.held_out):
        if folder is not None:
            labelled = True if folder == data.source_evaluation else None
            loader = EvaluationLoader(data, folder, rank=0, world_size=1, labelled=labelled)
            looked_at[folder] = loader.manifest
    said = (lacking(manifest, folder_url(data, name)) for name, manifest in looked_at.items())
    return [sentence for sentence in said if sentence is not None]
