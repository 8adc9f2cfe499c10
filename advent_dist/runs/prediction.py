"""Predictions of many images: what is there is left, and reading and writing overlap."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from PIL import Image
from rich.console import Console
from rich.progress import track

from advent_dist.data.classes import ClassSet
from advent_dist.data.executors import of_generator
from advent_dist.errors import DataError
from advent_dist.report import Panel
from advent_dist.runs.images import Images
from advent_dist.runs.seen import Seen

T = TypeVar("T")

Outcome = tuple[str, Seen | DataError]
"""An image's path, and what was seen in it or why it can't be read."""


class Results(Protocol):
    """What is written of many images."""

    def there(self, images: Mapping[str, tuple[int, ...]], by: str) -> dict[str, Seen]:
        """Those images whose results are all there, whole, and just what would be made again.

        Args:
            images: path -> stamp.
            by: who would make them.
        """

    def clear(self, names: Collection[str]) -> None:
        """Remove what is there of images that are to be predicted and would not be replaced."""

    def panel(self, name: str, image: Image.Image, seen: Seen) -> Panel:
        """A picture of an image and of what was written of it."""

    def picture(self, name: str) -> Image.Image:
        """What was written of an image for people to look at, RGB, at the image's size.

        Raises:
            DataError: it can't be read.
        """


class Predictor(Protocol):
    """Models, images, and where the results go."""

    @property
    def classes(self) -> ClassSet:
        """What the models tell apart."""

    @property
    def results(self) -> Results:
        """Where the results go."""

    @property
    def by(self) -> str:
        """Digest of the models and of how they look at images."""

    def predict(self, names: Sequence[str]) -> Iterator[Outcome]:
        """Predict these images; see `predict_each`."""


class Job(Protocol):
    """What `predict` is asked for, so that any process can begin to do a part of it."""

    def predictor(self, device: torch.device | None = None) -> Predictor:
        """The models.

        Args:
            device: Where they compute; none takes the GPU that this process has, or else the CPU.

        Raises:
            ConfigError, CheckpointError, DataError: the runs can't be loaded.
        """


Predict = Callable[[str, Image.Image], Callable[[], Seen]]
"""Predicts an image of a name; what it returns writes the results."""


def predict_each(images: Images, names: Sequence[str], predict: Predict) -> Iterator[Outcome]:
    """Predict these images, in order; what is yielded has its results written.

    Raises:
        DataError: storage is away, or can't be written to.
    """
    with (
        of_generator(ThreadPoolExecutor(1, "read")) as reading,
        of_generator(ThreadPoolExecutor(1, "write")) as writing,
    ):
        upcoming = ahead(reading, images.each(names))
        before: tuple[str, Future[Seen]] | None = None
        for name in names:
            image = next(upcoming)
            if isinstance(image, DataError):
                yield name, image
                continue
            write = predict(name, image)
            del image  # photographs have tens of megabytes
            if before is not None:
                yield before[0], before[1].result()
            before = name, writing.submit(write)
        if before is not None:
            yield before[0], before[1].result()


class Predicted(NamedTuple):
    """What was seen in images."""

    seen: dict[str, Seen]
    """By path, in order."""

    new: int
    """How many were not there already."""

    unreadable: list[str]
    """A message of each image that could not be read."""


def predict_missing(
    images: Images,
    results: Results,
    by: str,
    predict: Callable[[Sequence[str]], Iterator[Outcome]],
) -> Predicted:
    """Predict the images whose results are not there, whole, of the same file and models.

    Args:
        images: all of them.
        results: what lies there of earlier predictions.
        by: digest of the models.
        predict: predicts images, in any order; see `predict_each`.

    Raises:
        DataError: see `predict_each`.
    """
    there = results.there(images.stamps, by)
    todo = [name for name in images.stamps if name not in there]
    results.clear(todo)
    seen, unreadable = dict(there), dict[str, str]()
    # A bar of all images, begun with those that are there, would forget them at its end.
    outcomes = track(predict(todo), "predict", total=len(todo), console=Console(stderr=True))
    for name, outcome in outcomes if todo else ():
        if isinstance(outcome, DataError):
            unreadable[name] = str(outcome)
        else:
            seen[name] = outcome
    return Predicted(
        seen={name: seen[name] for name in images.stamps if name in seen},
        new=len(todo) - len(unreadable),
        unreadable=[unreadable[name] for name in sorted(unreadable)],
    )


def ahead(threads: ThreadPoolExecutor, items: Iterator[T]) -> Iterator[T]:
    """The same, the next one being made while the one before is worked on."""
    end = object()
    upcoming: Future[Any] = threads.submit(next, items, end)
    while (item := upcoming.result()) is not end:
        upcoming = threads.submit(next, items, end)
        held = [item]
        del item  # whoever gets it decides how long it takes memory
        yield held.pop()
