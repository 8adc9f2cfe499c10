"""One rank's training in a process that outlives it."""

from __future__ import annotations

from advent_dist.config import Experiment
from advent_dist.data.classes import ClassSet
from advent_dist.parallel.world import World
from advent_dist.runs.folder import RunFolder
from advent_dist.training.progress import Progress
from advent_dist.training.rank import train_rank
from cluster.logs import log_as
from cluster.observer import Observer
from cluster.recorder import Recorder


def train_in_process(
    experiment: Experiment, classes: ClassSet, world: World, observer: Observer
) -> Progress:
    """Train one rank from its run folder's latest checkpoint, or from scratch. Collective."""
    log_as(experiment, world)
    store = RunFolder.of(experiment).checkpoint_store(experiment, world)
    recorder = Recorder(experiment, world, observer, store, judged=True)
    try:
        first_step = observer.steps if world.is_main else None
        latest = recorder.begun(store.latest)
        return train_rank(
            experiment, classes, world, recorder, latest, first_step, stored=recorder.wait
        )
    finally:
        recorder.close()
