"""The folder that `advent-dist export` writes: one snapshot of a run, for others.

config.json        what builds the network again and prepares images for it; what it was trained by
classes.json       names, colours and subsets of the classes, as a class file
model.safetensors  the weights
README.md          the model card

and, where they were asked for, model.onnx and model.pt2 with a script for each. Here it is read;
`advent_dist.export` writes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import SafetensorError

from advent_dist.config import Experiment
from advent_dist.config.override import from_json
from advent_dist.data.classes import ClassSet
from advent_dist.data.store import Folder
from advent_dist.errors import CheckpointError, DataError, MissingError
from advent_dist.json_text import json_object
from advent_dist.runs.classes import read_classes

if TYPE_CHECKING:  # PyTorch, which most who read a folder do without
    from torch import Tensor

CONFIG_FILE = "config.json"
MODEL_FILE = "model.safetensors"
FORMAT = "advent-dist export"
"""What config.json says that it is, as `format`; that of a run says nothing of the kind."""


def is_export(folder: Folder) -> bool:
    """Whether a folder's config.json is that of an export.

    Raises:
        DataError: it can't be reached.
    """
    if not folder.exists(CONFIG_FILE):
        return False
    text = folder.read(CONFIG_FILE)
    try:
        return json_object(text, CONFIG_FILE).get("format") == FORMAT
    except DataError:
        return False


class ExportFolder:
    """An export that is there; what a `RunFolder` says of a run, it says of the one snapshot."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def experiment(self) -> Experiment:
        """The config of the run, without the places of its data and outputs."""
        return from_json(self.folder.read(CONFIG_FILE), f"{self.folder.url}/{CONFIG_FILE}")

    def classes(self) -> ClassSet:
        """The classes that it predicts."""
        return read_classes(self.folder, self.experiment().data)

    def step(self, which: str) -> int | None:
        """Of a checkpoint: an export does not say."""

    def weights(self, which: str) -> dict[str, Tensor]:
        """The segmenter's state dict, fp32 on the CPU, of the one snapshot, whichever that was.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        from safetensors.torch import load

        try:
            return load(self.folder.read(MODEL_FILE))
        except (MissingError, SafetensorError) as error:
            raise CheckpointError(
                f"{self.folder.url}/{MODEL_FILE} can't be read ({error}); copy the whole export "
                "there again"
            ) from error
