"""Networks: built, with images of the run's sizes, from weights that are there."""

from __future__ import annotations

from advent_dist.config import Experiment
from advent_dist.errors import UserError
from advent_dist.runs.preflight import check_networks
from cluster.doctor.finding import Finding, failure, ok

_CHECK = "networks"


def look_at_networks(experiment: Experiment) -> list[Finding]:
    """Go through the networks' shapes as a run does before it starts."""
    encoder = experiment.model.encoder
    try:
        check_networks(experiment)
    except UserError as error:
        return [failure(_CHECK, encoder, str(error), "see the message")]
    return [ok(_CHECK, encoder, "takes the images and batches of the run")]
