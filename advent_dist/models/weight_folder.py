"""A folder that holds weights: that of a run, or one out of a model hub."""

from __future__ import annotations

import json
from pathlib import Path

from advent_dist.errors import ConfigError

_SUMMARY = "summary.json"
_NETWORKS = ("segmenter.safetensors", "detector.safetensors")
_HUB = ("model.safetensors", "pytorch_model.bin")


def weights_in(folder: Path) -> Path:
    """The file of weights in a folder: that of a run's last checkpoint, or of a model hub.

    Args:
        folder: a run's, one of its checkpoints, or one with model.safetensors or pytorch_model.bin.

    Raises:
        ConfigError: there is none.
    """
    for name in (*_NETWORKS, *_HUB):
        if (folder / name).is_file():
            return folder / name
    if not (folder / _SUMMARY).is_file():
        raise ConfigError(
            f"model.weights = {str(folder)!r}: a folder without {_SUMMARY} of a run, "
            f"{', '.join(_NETWORKS)}, {' or '.join(_HUB)}; give the file itself"
        )
    try:
        last = str(json.loads((folder / _SUMMARY).read_bytes())["checkpoints"]["last"])
    except (OSError, ValueError, LookupError, TypeError):
        last = ""
    for name in _NETWORKS:
        path = folder / last / name
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path
    raise ConfigError(
        f"model.weights = {str(folder)!r}: the run has no last checkpoint that could be read; "
        f"wait for its first, or give a {' or '.join(_NETWORKS)}"
    )
