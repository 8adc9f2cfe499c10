"""How sure a model is of the pixels of a whole data set, by the class that it sees in them."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Integer
from torch import Tensor


class Confidences:
    """The highest probabilities of pixels, by class; on disk, for there may be billions of them.

    Args:
        folder: an empty one; a file for each class, 4 bytes a pixel.
        num_classes: C.
        every: of the pixels of an image and class, in reading order, the first and each so many
            further is kept.
    """

    def __init__(self, folder: Path, num_classes: int, *, every: int) -> None:
        self._every = every
        self._paths = [folder / f"{one}.float32" for one in range(num_classes)]
        self._files = [path.open("wb") for path in self._paths]

    def __enter__(self) -> Confidences:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files:
            file.close()

    def add(self, confidence: Float[Tensor, "h w"], label: Integer[Tensor, "h w"]) -> None:
        """Take an image in: float32 probabilities of the classes `label`."""
        values, classes = confidence.numpy().ravel(), label.numpy().ravel()
        for one in np.unique(classes):
            self._files[one].write(values[classes == one][:: self._every].tobytes())

    def of(self, one: int) -> npt.NDArray[np.float32]:
        """Those of one class, in the order in which they came."""
        self._files[one].flush()
        return np.fromfile(self._paths[one], np.float32)

    def of_all(self) -> npt.NDArray[np.float32]:
        """Those of all classes."""
        return np.concatenate([self.of(one) for one in range(len(self._paths))])


def at_portion(values: npt.NDArray[np.float32], portion: float) -> float:
    """The smallest of the highest floor(portion * n) values, or 1 where that is none."""
    return _descending(values, int(np.floor(len(values) * portion)) - 1)


def above_portion(values: npt.NDArray[np.float32], portion: float) -> float:
    """The value that round((1 - portion) * n) values lie below, or 1 where there is none."""
    return _descending(values, len(values) - 1 - round(len(values) * (1 - portion)))


def _descending(values: npt.NDArray[np.float32], place: int) -> float:
    if not 0 <= place < len(values):
        return 1.0
    ascending = len(values) - 1 - place
    return float(np.partition(values, ascending)[ascending])
