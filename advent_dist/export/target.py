"""The folder that an export goes to: nothing that somebody else put there is lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from advent_dist.data.store import Folder
from advent_dist.errors import ConfigError
from advent_dist.export.onnx_file import ONNX_FILE
from advent_dist.export.program import PROGRAM_FILE
from advent_dist.json_text import json_object
from advent_dist.runs.exported import CONFIG_FILE, MODEL_FILE, is_export
from advent_dist.training.checkpoint_files import CLASSES_FILE

CARD_FILE = "README.md"
SCRIPTS = {ONNX_FILE: "predict_onnx.py", PROGRAM_FILE: "predict_torch.py"}
"""Program -> the script that runs it."""

_FILES = (CONFIG_FILE, CLASSES_FILE, MODEL_FILE, CARD_FILE, *SCRIPTS, *SCRIPTS.values())
_SHOWN = 3


def earlier_files(target: Folder, names: list[str], *, overwrite: bool) -> list[str]:
    """What of an earlier export goes, so that one of these files can be written.

    Args:
        target: the folder.
        names: files to be written.
        overwrite: whether an earlier export may be replaced.

    Raises:
        ConfigError: the folder is not empty and may not be written to, or holds files that are of
            no export and would be replaced.
        DataError: it can't be reached.
    """
    there, folders = target.list(), target.folders()
    if not there and not folders:
        return []
    shown = ", ".join([*there, *(f"{name}/" for name in folders)][:_SHOWN])
    if not overwrite:
        raise ConfigError(
            f"--to {target.url} is not empty (it holds {shown}); give another folder, or "
            "--overwrite, which replaces what an earlier export wrote there"
        )
    ours = _listed(target) if is_export(target) else []
    foreign = [name for name in names if name in there and name not in ours]
    if foreign or not ours:
        raise ConfigError(
            f"--to {target.url}: {', '.join(foreign) or shown} there is of no export, and is kept; "
            "give another folder"
        )
    return [name for name in ours if name in there]


def _listed(target: Folder) -> list[str]:
    """The files that the export there wrote, by its own list."""
    tree = json_object(target.read(CONFIG_FILE), f"{target.url}/{CONFIG_FILE}")
    listed = tree.get("files")
    return [name for name in _FILES if isinstance(listed, list) and name in listed]


def write(target: Folder, files: Mapping[str, bytes | Path], earlier: list[str]) -> None:
    """Write an export in place of an earlier one.

    Args:
        target: the folder.
        files: name -> content, or a local file with it.
        earlier: see `earlier_files`.
    """
    # First, and so replaced last: what a write that was cut off leaves is known as an export.
    target.write(CONFIG_FILE, _content(files[CONFIG_FILE]))
    if MODEL_FILE in earlier:  # without weights it is not taken for one that is whole
        target.remove(MODEL_FILE)
    for name, content in files.items():
        if name == CONFIG_FILE:
            continue
        if isinstance(content, Path):
            target.upload(name, content)
        else:
            target.write(name, content)
    for name in earlier:
        if name not in files:
            target.remove(name)


def _content(content: bytes | Path) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else content
