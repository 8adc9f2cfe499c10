"""An experiment from a Python file of one's own: NAME.py, or NAME.py:FUNCTION.

The file is run here, and only here: workers, run folders and sweeps get the resolved config.
"""

from __future__ import annotations

import difflib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

from advent_dist import config
from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.errors import ConfigError, UserError

_MODULE = "an_experiment_file"
_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<function>.*))?")
_UNEXPECTED = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")


def is_file(name: str) -> bool:
    """Whether a name of an experiment is that of a Python file."""
    return _FILE.fullmatch(name) is not None


def experiment_in_file(name: str, where: str = "") -> Experiment:
    """The experiment that a function in a Python file returns.

    Args:
        name: PATH.py with one function that takes no arguments, or PATH.py:FUNCTION. Functions
            whose names begin with _, that take arguments or that come from elsewhere don't count.
        where: The flag or variable that named it, if one did, for messages.

    Raises:
        ConfigError: there is no such file or function, it raises or returns something else; names
            the file and the line.
    """
    match = _FILE.fullmatch(name)
    assert match is not None, "see is_file"
    path, wanted = match["path"], match["function"]
    return _made(_run(path, _read(path, where)), path, wanted)


def experiment_in_text(text: str, path: str) -> Experiment:
    """The same of the text of a file that is yet to be at `path`."""
    return _made(_run(path, text.encode()), path, None)


def _made(module: ModuleType, path: str, wanted: str | None) -> Experiment:
    """What the function in a module returns."""
    function = _function(vars(module), path, wanted)
    line = function.__code__.co_firstlineno
    with _told(path, line), _beside(path):
        made = function()
    if not isinstance(made, Experiment):
        raise ConfigError(
            f"{path}, line {line}: {function.__name__}() returned {_kind(made)}, not an "
            "Experiment; end it with `return config.Experiment(...)`"
        )
    with _told(path, line):
        return override(made, {})  # which looks at the type of every field


def _read(path: str, where: str) -> bytes:
    named = f"{where} {path}".lstrip()
    if "://" in path:
        raise ConfigError(
            f"{named}: code is not taken from a URL; give a file of this machine, or a run's "
            "config.json"
        )
    try:
        return Path(path).expanduser().read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"{named}: there is no such file in {Path.cwd()}; `advent-dist new` writes one, and "
            "`ray rsync-up CLUSTER-FILE NAME.py '~/NAME.py'` brings it to a cluster's head"
        ) from None
    except OSError as error:
        raise ConfigError(f"{named}: {error.strerror}; give a file that can be read") from None


def _run(path: str, source: bytes) -> ModuleType:
    """The file as a module, which nothing else imports and of which nothing is kept on the disk."""
    module = ModuleType(_MODULE)
    module.__file__ = path
    sys.modules[_MODULE] = module  # where dataclasses look for the names in their annotations
    try:
        with _told(path), _beside(path):
            exec(compile(source, path, "exec"), vars(module))
    finally:
        del sys.modules[_MODULE]
    return module


def _function(names: dict[str, Any], path: str, wanted: str | None) -> Callable[[], Any]:
    """The function that is asked for, or the only one."""
    own = {
        name: value
        for name, value in names.items()
        if inspect.isfunction(value) and value.__code__.co_filename == path
    }
    choices = {
        name: function
        for name, function in own.items()
        if not name.startswith("_") and _needs_nothing(function)
    }
    if wanted is not None:
        if wanted not in own:
            near = difflib.get_close_matches(wanted, own, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(own) or 'none'}"
            raise ConfigError(f"{path} has no function {wanted!r}; {hint}")
        if not _needs_nothing(own[wanted]):
            line = own[wanted].__code__.co_firstlineno
            raise ConfigError(
                f"{path}, line {line}: {wanted} takes arguments; give them defaults, or name a "
                "function without"
            )
        return own[wanted]
    if not choices:
        raise ConfigError(
            f"{path} has no function without arguments; write one that returns a config.Experiment "
            "(advent-dist new NAME writes such a file)"
        )
    if len(choices) > 1:
        listed = " and ".join(
            f"{name} (line {function.__code__.co_firstlineno})"
            for name, function in choices.items()
        )
        raise ConfigError(
            f"{path} has several functions, {listed}; choose one, such as {path}:{min(choices)}, "
            "or begin the names of the others with _"
        )
    return next(iter(choices.values()))


def _needs_nothing(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    return True


@contextmanager
def _beside(path: str) -> Iterator[None]:
    """The file's folder first on the path of imports, as when Python itself runs the file."""
    before = list(sys.path)
    sys.path.insert(0, str(Path(path).expanduser().resolve().parent))
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def _told(path: str, line: int | None = None) -> Iterator[None]:
    """What the file raises becomes one message with the file and the line.

    Args:
        path: The file.
        line: Where to look if the traceback does not lead into the file.
    """
    try:
        yield
    except SyntaxError as error:
        file = path if error.filename in (None, path) else f"{path}: {error.filename}"
        raise ConfigError(
            f"{_place(file, error.lineno)}: it is no Python: {error.msg}; correct it"
        ) from error
    except UserError as error:
        raise ConfigError(f"{_place(path, _line(error, path) or line)}: {error}") from error
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        kind = type(error).__name__
        raise ConfigError(
            f"{_place(path, _line(error, path) or line)}: {kind}{f': {said}' if said else ''}; "
            f"{_fix(said)}"
        ) from error


def _place(path: str, line: int | None) -> str:
    return f"{path}, line {line}" if line else path


def _line(error: BaseException, path: str) -> int | None:
    """Where in the file an error came through last."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return lines[-1] if lines else None


def _fix(said: str) -> str:
    """What to do about an exception of Python's own."""
    found = _UNEXPECTED.match(said)
    made = getattr(config, found[1], None) if found else None
    if found and made is not None:
        names = [field.name for field in fields(made)]
        near = difflib.get_close_matches(found[2], names, n=1)
        return f"did you mean {near[0]}?" if near else f"its fields are {', '.join(names)}"
    return "correct the file (ADVENT_DIST_TRACEBACK=1 shows the whole traceback)"


def _kind(made: object) -> str:
    return "nothing" if made is None else f"a {type(made).__name__}"
