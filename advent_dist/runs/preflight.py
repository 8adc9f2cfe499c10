"""What can be told of a run before any worker starts, which takes far longer than to look."""

from __future__ import annotations

from dataclasses import replace

from advent_dist.config import Experiment
from advent_dist.data.loader import EvaluationLoader, TrainingLoader
from advent_dist.data.manifest import lacking, require_labelled_pixels
from advent_dist.data.store import folder_url, impatient
from advent_dist.models.encoder import check_encoder
from advent_dist.training.global_batch import allowed_ranks


def check(experiment: Experiment) -> list[str]:
    """Look at the manifests of all shards and at the encoder's name; read no sample, build nothing.

    Returns:
        What may surprise, a sentence each: classes that labels have no pixel of.

    Raises:
        ConfigError: the encoder is unknown, or the global batch is no multiple of the workers.
        DataError: shards can't be reached, are too few for the workers, unlabelled or all void
            where labels are read, or of other classes.
    """
    allowed_ranks(experiment)
    if experiment.model.encoder != "deeplab_v2":
        check_encoder(experiment.model.encoder)
    data = replace(impatient(experiment.data), workers_per_rank=0)
    training = TrainingLoader(data, rank=0, world_size=experiment.cluster.workers, seed=0)
    training.close()
    require_labelled_pixels(training.source_manifest, folder_url(data, data.source))
    labelled = {data.source: training.source_manifest}
    for folder in (data.evaluation, data.source_evaluation, data.held_out):
        if folder is not None:
            labelled[folder] = EvaluationLoader(data, folder, rank=0, world_size=1).manifest
    said = (lacking(manifest, folder_url(data, name)) for name, manifest in labelled.items())
    return [sentence for sentence in said if sentence is not None]
