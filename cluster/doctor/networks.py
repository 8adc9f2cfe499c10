"""Networks: built, with images of the run's sizes, from weights that are there."""

from __future__ import annotations

from advent_dist.config import DetectorConfig, Experiment
from advent_dist.errors import UserError
from advent_dist.runs.classes import expected_classes
from advent_dist.runs.preflight import check_networks
from cluster.doctor.finding import Finding, failure, ok, warning

_CHECK = "networks"


def look_at_networks(experiment: Experiment) -> list[Finding]:
    """Go through the networks' shapes as a run does before it starts."""
    model = experiment.model
    network = model.detector if isinstance(model, DetectorConfig) else model.encoder
    try:
        classes = expected_classes(experiment)
    except UserError:
        classes = None  # what is wrong with the shards is told by another check
    if classes is None:
        said = "not tried: how many classes there are is known when the shards are there"
        return [warning(_CHECK, network, said, "build the shards, or give data.classes")]
    try:
        check_networks(experiment, classes.num_classes)
    except UserError as error:
        return [failure(_CHECK, network, str(error), "see the message")]
    return [ok(_CHECK, network, "takes the images and batches of the run")]
