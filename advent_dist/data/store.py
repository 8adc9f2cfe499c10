"""Bytes of shards, from a local folder or from s3://, through fsspec.

Credentials, region and endpoint of s3:// come from the standard AWS environment (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_PROFILE, ...), so that no secret ever enters a config.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from advent_dist.config import DataConfig
from advent_dist.data import listings
from advent_dist.data.class_file import ClassFile, parse_class_file
from advent_dist.data.connection import Connection, scheme_of
from advent_dist.data.download import Part, download
from advent_dist.data.manifest import FILE_NAME, Manifest
from advent_dist.data.traffic import BYTES, REQUESTS, RETRIES, Tally
from advent_dist.errors import DamageError, DataError, MissingError

T = TypeVar("T")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0
_LOOK_TIMEOUT_S, _LOOK_ATTEMPTS = 10.0, 3


class Folder:
    """A folder of files, local or on object storage. Threads and forked processes may share it.

    Every read and write is bounded: `attempts` times at most `timeout_s` where it is not a local
    one, with pauses of up to 12 seconds between them.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        attempts: int,
        anonymous: bool,
        tally: Tally | None = None,
    ) -> None:
        self._scheme = scheme_of(url)
        if self._scheme == "file":
            url = os.path.expanduser(url.removeprefix("file://"))
        if not url:
            raise DataError("the path of a folder is empty; give a local folder or an s3:// URL")
        self.url = url.rstrip("/")
        self._connection = Connection(self._scheme, timeout_s, anonymous)
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._tally = Tally() if tally is None else tally

    def inside(self, name: str) -> Folder:
        """The folder `name` in this one, by the same connection."""
        return self.at(f"{self.url}/{name}")

    def at(self, url: str) -> Folder:
        """Another folder of the same storage, by the same connection."""
        other = copy.copy(self)
        other.url = url
        return other

    def read(self, name: str) -> bytes:
        """The whole file `name`."""
        return bytes(self._download(name, 0, None))

    def read_range(self, name: str, start: int, stop: int) -> bytearray:
        """Bytes `start` up to, not including, `stop` of the file `name`.

        Raises:
            DamageError: the file ends before `stop`.
            DataError: it can't be reached.
        """
        return self._download(name, start, stop)

    def _download(self, name: str, start: int, stop: int | None) -> bytearray:
        part = Part(start, stop)

        def more(files: Any, path: str) -> None:
            before = len(part.received)
            try:
                download(files, path, part, self._timeout_s)
            except DamageError as error:
                raise DamageError(f"{self.url}/{name}: {error}") from error
            finally:
                self._tally.add(REQUESTS)
                self._tally.add(BYTES, max(len(part.received) - before, 0))

        self._attempt(name, more)
        return part.received

    def write(self, name: str, data: bytes) -> None:
        """Write the file `name`; readers see the old file or the whole new one, never a part."""
        self._write(name, data)

    def upload(self, name: str, file: Path) -> None:
        """The same from a local file, of any size."""
        self._write(name, file)

    def _write(self, name: str, source: bytes | Path) -> None:
        if self.is_local:
            self._attempt(name, lambda files, path: _write_local(Path(path), source))
        elif self._scheme == "s3":
            # Imported here, since it loads the S3 client that others have no use for.
            from advent_dist.data.upload import upload

            upload(partial(self._attempt, name), f"{self.url}/{name}", source, self._timeout_s)
        else:
            self._attempt(name, partial(_write_elsewhere, source=source))

    def sizes(self) -> dict[str, int]:
        """Bytes of every file in the folder and in those in it, by its relative path."""
        return self._listing(listings.sizes)

    def stamps(self) -> dict[str, tuple[int, ...]]:
        """Of every file below, by its relative path: numbers that change when the file does.

        Links are followed, but into no folder a second time; one that leads nowhere has no numbers.
        """
        return self._listing(listings.stamps)

    def exists(self, name: str) -> bool:
        """Whether there is a file `name`."""
        return name in self.list()

    def modified(self, name: str) -> float:
        """When the file `name` was written, in seconds of Unix time."""
        return self._attempt(name, lambda files, path: float(files.modified(path).timestamp()))

    def walk(self) -> list[str]:
        """Paths below the folder of all files in it and in folders in it, sorted.

        None if there is no such folder; one that is empty if there is a file in its place.
        """
        return self._listing(listings.walk)

    def folders(self) -> list[str]:
        """Names of the folders in the folder, sorted; none if there is no such folder."""
        return self._listing(partial(listings.names, kind="directory"))

    def list(self) -> list[str]:
        """Names of the files in the folder, sorted; none if there is no such folder."""
        return self._listing(partial(listings.names, kind="file"))

    def _listing(self, action: Callable[[Any, str], T]) -> T:
        """Do `action(filesystem, path)`, which lists what lies in the folder."""
        if self._scheme != "s3":
            return self._attempt("", action)
        from advent_dist.data.pages import Pages  # here for the same reason

        return action(Pages(partial(self._attempt, "")), self.path.rstrip("/"))

    def _attempt(
        self, name: str, action: Callable[[Any, str], T], attempts: int | None = None
    ) -> T:
        """Do `action(filesystem, path)`, again after a pause where the error is a transient one."""
        attempts = self._attempts if attempts is None else attempts
        url = f"{self.url}/{name}" if name else self.url
        for attempt in itertools.count(1):
            try:
                files = self._connection.bounded
                return action(files, files._strip_protocol(url))
            except Exception as error:
                # Imported here, since it loads the S3 client that a local folder has no use for.
                from advent_dist.data import faults

                if not faults.is_storage_error(error):
                    raise
                if not faults.is_transient(error) or attempt >= attempts:
                    raise faults.translate(error, url, attempt) from error
                if faults.is_expired(error):
                    # A new connection reads the credentials anew, from wherever they came.
                    self._connection.renew()
            self._tally.add(RETRIES)
            # Jitter keeps the many readers of a cluster from coming back all at once.
            pause = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
            time.sleep(pause * random.uniform(0.5, 1.5))
        raise AssertionError("unreachable")

    def remove(self, name: str) -> None:
        """Delete the file `name`."""
        self._attempt(name, lambda files, path: files.rm_file(path))

    def delete(self, ours: Callable[[str], bool] | None = None) -> None:
        """Delete the folder and what is in it, if it is there.

        Args:
            ours: Whether a path in the folder is to be deleted; the folder stays where others are
                left in it. Without it all is: for folders that whoever calls it wrote alone.
        """
        if self._scheme == "s3":
            from advent_dist.data.deletion import delete_all  # here for the same reason

            inside = self.url.partition("://")[2].partition("/")[2]
            delete_all(partial(self._attempt, ""), inside, ours)
        elif ours is not None:
            names = [name for name in self.walk() if ours(name)]
            for name in names:
                with contextlib.suppress(MissingError):
                    self.remove(name)
            if not self.walk():
                self.delete()
        else:
            with contextlib.suppress(MissingError):
                self._attempt("", lambda files, path: files.rm(path, recursive=True))

    def remove_if_empty(self) -> None:
        """Remove the folder itself if nothing is left in it; object storage has no empty ones."""
        if self.is_local:
            with contextlib.suppress(OSError):
                os.rmdir(self.path)

    @property
    def is_local(self) -> bool:
        """Whether the folder lies on this machine's own file system."""
        return self._scheme == "file"

    @property
    def path(self) -> str:
        """The folder as `filesystem` names it: without the scheme."""
        return self.url.removeprefix(f"{self._scheme}://")

    @property
    def filesystem(self) -> Any:
        """The fsspec file system that holds the folder, opened for this process."""
        return self._connection.filesystem


def _write_elsewhere(files: Any, path: str, source: bytes | Path) -> None:
    if isinstance(source, Path):
        files.put_file(str(source), path)
    else:
        files.pipe_file(path, source)


def _write_local(path: Path, data: bytes | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            if isinstance(data, Path):
                with data.open("rb") as source:
                    shutil.copyfileobj(source, file)
            else:
                file.write(data)
            # Or a machine that loses its power finds an empty file in place of the old one.
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def open_folder(url: str, data: DataConfig | None = None, tally: Tally | None = None) -> Folder:
    """A folder by path or URL; nothing is read yet.

    Args:
        url: Local path, s3://bucket/prefix, or whatever else fsspec knows.
        data: Its `timeout_s`, `attempts` and `anonymous` are used; None takes their defaults.
        tally: Counts what is read.

    Raises:
        DataError: the URL has an unknown scheme.
    """
    config: Any = DataConfig if data is None else data
    return Folder(
        url,
        timeout_s=config.timeout_s,
        attempts=config.attempts,
        anonymous=config.anonymous,
        tally=tally,
    )


def open_file(url: str) -> tuple[Folder, str]:
    """The folder of a file by path or URL, and the file's name in it; nothing is read yet.

    Raises:
        DataError: the URL has an unknown scheme, or is that of a folder or of a bucket.
    """
    parent, slash, name = url.rpartition("/")
    if name in ("", ".", "..") or parent.endswith(":/"):
        raise DataError(f"{url}: give the path or URL of a file, not of a folder")
    return open_folder(parent or slash or "."), name


def local_path(flag: str, path: str | Path) -> Path:
    """A path that has to be one of this machine; file:// and ~ are understood.

    Raises:
        DataError: it is a URL of something else; `flag` names it.
    """
    # `Path` makes s3:/bucket of s3://bucket.
    scheme, colon, rest = str(path).partition(":/")
    if not colon or "/" in scheme:
        return Path(path).expanduser()
    if scheme != "file":
        raise DataError(
            f"{flag} {scheme}://{rest.lstrip('/')}: it can't be a URL; give a path of this machine"
        )
    return Path("/" + rest.lstrip("/"))


def own_storage(data: DataConfig) -> DataConfig:
    """`data` for folders that are written: public shards need no credentials, those do."""
    return replace(data, anonymous=False)


def impatient(data: DataConfig) -> DataConfig:
    """`data` for whoever waits for an answer: within a minute, where a run is more patient."""
    return replace(
        data,
        timeout_s=min(data.timeout_s, _LOOK_TIMEOUT_S),
        attempts=min(data.attempts, _LOOK_ATTEMPTS),
    )


def folder_url(data: DataConfig, folder: str) -> str:
    """URL of a shard folder of a config: relative to `data.root`, unless absolute itself."""
    if "://" in folder or os.path.isabs(os.path.expanduser(folder)):
        return folder
    return f"{data.root.rstrip('/')}/{folder}"


def read_manifest(url: str, data: DataConfig | None = None) -> Manifest:
    """The manifest of a shard folder.

    Raises:
        DataError: there is none, it can't be reached, or it is no manifest.
    """
    folder = open_folder(url, data)
    where = f"{folder.url}/{FILE_NAME}"
    try:
        text = folder.read(FILE_NAME)
    except MissingError as error:
        said = str(error).rpartition("; ")[0]
        fix = "build the shards (advent-dist shards build), or correct the folder"
        fix += "" if data is None else " and data.root"
        raise MissingError(f"{said}; {fix}") from error
    return Manifest.from_json(text, where)


def read_class_file(url: str) -> ClassFile:
    """Read a class file by path or URL.

    Raises:
        DataError: it is missing, or something in it is wrong; names the file, the field and the
            value.
    """
    folder, name = open_file(url)
    return parse_class_file(folder.read(name), url)
