"""Shards: there, of the right kind, and enough of them for all readers."""

from __future__ import annotations

from advent_dist.config import Experiment
from advent_dist.config.selection import chosen_by
from advent_dist.data.manifest import Manifest
from advent_dist.data.store import folder_url, read_manifest
from advent_dist.errors import MissingError, UserError
from advent_dist.evaluation.selection import has_target_labels, selection_of
from advent_dist.runs.classes import classes_of
from advent_dist.runs.preflight import check_shards
from cluster.doctor.finding import Finding, failure, ok, warning
from shards.streets_data import PARTS

_CHECK = "shards"


def training_folders(experiment: Experiment) -> dict[str, str]:
    """The two domains of a run -> the URLs of their shards."""
    data = experiment.data
    return {name: folder_url(data, getattr(data, name)) for name in ("source", "target")}


def look_at_shards(experiment: Experiment) -> list[Finding]:
    """Read the manifests as a run does before it starts, and judge them."""
    try:
        classes_of(experiment)
        surprising = check_shards(experiment)
        measure = selection_of(experiment)
    except MissingError as error:
        if experiment.data.source in PARTS:
            said = f"no street scenes at {experiment.data.root} yet"
            return [warning(_CHECK, experiment.data.root, said, "train draws them at its start")]
        fix = "build them (advent-dist shards build), or correct --data.root"
        return [failure(_CHECK, experiment.data.root, str(error), fix)]
    except UserError as error:
        return [failure(_CHECK, experiment.data.root, str(error), "see the message")]
    folders = training_folders(experiment)
    manifests = {name: read_manifest(url, experiment.data) for name, url in folders.items()}
    judged = [_judge_choice(experiment, measure, manifests["target"].num_samples)]
    judged += [
        judge_shards(experiment, name, url, manifests[name]) for name, url in folders.items()
    ]
    fix = "add samples that show them, or expect them neither learnt nor scored"
    return judged + [warning(_CHECK, experiment.data.root, said, fix) for said in surprising]


def _judge_choice(experiment: Experiment, measure: str, targets: int) -> Finding:
    """What a run is evaluated on, and what chooses its best checkpoint there."""
    data = experiment.data
    if data.evaluation is None:
        images = f"{min(data.evaluation_images, targets)} images of data.target"
    else:
        kind = "labelled" if has_target_labels(data) else "unlabelled"
        images = f"data.evaluation, {kind}"
    where = folder_url(data, data.target if data.evaluation is None else data.evaluation)
    return ok(
        "evaluation", where, f"{images}: the best checkpoint is chosen by {chosen_by(measure)}"
    )


def judge_shards(experiment: Experiment, domain: str, url: str, manifest: Manifest) -> Finding:
    """Whether every reader of a domain gets blocks of its own, and a batch out of each epoch.

    Args:
        experiment: The run to be.
        domain: `source` or `target`.
        url: Where its shards are.
        manifest: What they hold.
    """
    data, ranks = experiment.data, experiment.cluster.workers
    readers = ranks * max(data.workers_per_rank, 1)
    blocks = sum(len(shard.blocks) for shard in manifest.shards)
    said = f"{domain}: {manifest.num_samples} samples in {blocks} blocks for {readers} readers"
    if manifest.num_samples < ranks * data.batch_size_per_rank:
        fix = "fewer workers, smaller batches, or more data"
        return warning(_CHECK, url, f"{said}: an epoch is less than a global batch", fix)
    if blocks < readers:
        fix = "lower --data.workers-per-rank, or build with smaller blocks"
        return warning(_CHECK, url, f"{said}: several read the same bytes", fix)
    return ok(_CHECK, url, said)
