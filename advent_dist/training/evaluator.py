"""The scores of a training's network, as it is, on images of the target. Collective."""

from __future__ import annotations

from advent_dist.config import Experiment
from advent_dist.data.classes import ClassSet
from advent_dist.data.evaluation_loader import EvaluationLoader, target_images
from advent_dist.parallel.buffers import pooled_batch_norm
from advent_dist.parallel.engine import Engine
from advent_dist.parallel.world import World
from advent_dist.training.compilation import as_written
from advent_dist.training.progress import Scores
from advent_dist.training.tasks import task_of


class Evaluator:
    """Scores a network on target images, and on source images if any; its readers stay between.

    Raises:
        DataError: shards are missing, or not as the config says.
    """

    def __init__(self, experiment: Experiment, classes: ClassSet, world: World) -> None:
        data = experiment.data
        self._task = task_of(experiment)
        self._classes = classes
        self._world = world
        self._compiled = experiment.engine.compile
        rank, size, pinned = world.rank, world.size, world.device.type == "cuda"
        self._target = target_images(data, rank=rank, world_size=size, pinned=pinned)
        self._source: EvaluationLoader | None = None
        if (folder := data.source_evaluation) is not None:
            self._source = EvaluationLoader(data, folder, rank=rank, world_size=size, pinned=pinned)

    def start(self) -> None:
        """Fork the readers."""
        self._target.start()
        if self._source is not None:
            self._source.start()

    def close(self) -> None:
        """End the readers."""
        self._target.close()
        if self._source is not None:
            self._source.close()

    def scores(self, network: Engine, step: int) -> Scores:
        """The scores of a network as it is. Collective.

        Raises:
            DamageError: more samples were skipped than `data.max_damaged_fraction` allows.
        """
        score, classes, world = self._task.score, self._classes, self._world
        network.module.eval()
        with as_written(self._compiled), pooled_batch_norm(network.module, world):
            target = score(network, self._target, classes, world)
            source = None if self._source is None else score(network, self._source, classes, world)
        network.module.train()
        return Scores(step=step, target=target, source=source)
