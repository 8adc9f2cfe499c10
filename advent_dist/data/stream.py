"""Batches of a pipeline out of torch DataLoader worker processes, or out of this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from advent_dist.data.pipeline import Batch
from advent_dist.errors import DataError

Batches = Generator[Batch, None, None]


def stream(batches: Callable[[int], Iterator[Batch]], workers: int) -> Batches:
    """Run `batches(worker)` for worker 0..workers-1 and take one batch of each in turn.

    Workers start at once and are forked: that takes milliseconds, where `spawn` and `forkserver`
    import torch and the main module anew (3 s and more each). Fork is safe here because a worker
    uses nothing that another thread of the trainer may hold: it opens its own files and S3 client,
    computes on one thread, and never touches CUDA, Ray or a process group.

    Args:
        batches: makes a worker's batches; called inside of the worker.
        workers: number of processes; 0 runs `batches(0)` in this one.

    Returns:
        The batches; closing it stops the workers.

    Raises:
        DataError: the one that a worker raised, when its turn comes.
    """
    loader = DataLoader(
        _WorkerDataset(batches),
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
        pin_memory=torch.cuda.is_available(),
        # Its own, or the start of workers would draw from the trainer's: nothing here is random.
        generator=torch.Generator(),
    )
    return _raise_errors(iter(loader))


class _WorkerDataset(IterableDataset[Batch | DataError]):
    """What runs in a worker. A DataError is its last item, since torch would make text of it."""

    def __init__(self, batches: Callable[[int], Iterator[Batch]]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Batch | DataError]:
        worker = get_worker_info()
        try:
            yield from self._batches(0 if worker is None else worker.id)
        except DataError as error:
            yield error


def _raise_errors(items: Iterator[Batch | DataError]) -> Batches:
    for item in items:
        if isinstance(item, DataError):
            raise item
        yield item._replace(keys=tuple(item.keys))  # torch makes a list of a tuple
