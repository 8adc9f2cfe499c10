"""An experiment file of the user's own, which is to be written."""

from __future__ import annotations

from pathlib import Path

from advent_dist.errors import ConfigError
from advent_dist.experiments.draft import function_name


def free_path(name: str, field: str) -> Path:
    """Where the file is to be.

    Args:
        name: NAME or NAME.py.
        field: What the user gave it as, for messages.

    Raises:
        ConfigError: there is one, or no such file can be.
    """
    from advent_dist.data.store import local_path  # here, since `--help` needs no storage

    path = local_path(field, name)
    path = path.with_name(path.name.removesuffix(".py") + ".py")
    function_name(path.stem, field)
    if not str(path).isprintable():
        raise ConfigError(f"{field} = {name!r}: it can't be printed; give another folder")
    if path.exists() or path.is_symlink():
        raise ConfigError(
            f"{path} is there already, and is kept; give another {field}, or delete it"
        )
    if not path.parent.is_dir():
        raise ConfigError(f"{field} = {name!r}: there is no folder {path.parent}; make it first")
    return path


def write_new(path: Path, text: str, field: str) -> None:
    """Write a file that is not there yet, whole or not at all.

    Raises:
        ConfigError: there is one by now, or it can't be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} is there already, and is kept; give another {field}") from None
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ConfigError(f"{path}: {error.strerror}; give another {field}") from error
