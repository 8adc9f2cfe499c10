"""Bytes of shards, from a local folder or from s3://, through fsspec.

Credentials, region and endpoint of s3:// come from the standard AWS environment (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_PROFILE, ...), so that no secret ever enters a config.
"""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import fsspec

from advent_dist.config import DataConfig
from advent_dist.data.manifest import FILE_NAME, Manifest
from advent_dist.errors import DataError

T = TypeVar("T")

_FIRST_PAUSE_S = 0.25


class Folder:
    """A folder of files, local or on object storage. Threads and forked processes may share it."""

    def __init__(self, url: str, *, timeout_s: float, attempts: int, anonymous: bool) -> None:
        scheme = url.split("://")[0] if "://" in url else "file"
        if scheme not in ("file", "s3"):
            raise DataError(f"{url}: no access to {scheme}://; give a local folder or an s3:// URL")
        self.url = url.rstrip("/")
        self._scheme = scheme
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._anonymous = anonymous
        # An open s3fs does not survive a fork: each process opens its own, when it first reads.
        self._filesystem_of_process: dict[int, Any] = {}

    def read(self, name: str) -> bytes:
        """The whole file `name`."""
        return self._attempt(name, lambda files, path: bytes(files.cat_file(path)))

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Bytes `start` up to, not including, `stop` of the file `name`."""
        data = self._attempt(
            name, lambda files, path: bytes(files.cat_file(path, start=start, end=stop))
        )
        if len(data) != stop - start:
            raise DataError(
                f"{self.url}/{name}: bytes {start}-{stop} were asked for, but only {len(data)} are "
                f"there: the file is cut short; copy or build it again"
            )
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write the file `name`; readers see the old file or the whole new one, never a part."""
        self._attempt(
            name,
            lambda files, path: (
                _write_local(Path(path), data)
                if self._scheme == "file"
                else files.pipe_file(path, data)
            ),
        )

    def exists(self, name: str) -> bool:
        """Whether there is a file `name`."""
        return name in self.list()

    def list(self) -> list[str]:
        """Names of the files in the folder, sorted; none if there is no such folder."""
        return self._attempt("", _list)

    def _attempt(self, name: str, action: Callable[[Any, str], T], attempt: int = 1) -> T:
        """Do `action(filesystem, path)`, again after a pause where the error is a transient one."""
        url = f"{self.url}/{name}" if name else self.url
        try:
            return action(self.filesystem, url.removeprefix(f"{self._scheme}://"))
        except Exception as error:
            # Imported here, since it loads the S3 client that a local folder has no use for.
            from advent_dist.data import faults

            if not faults.is_storage_error(error):
                raise
            if not faults.is_transient(error) or attempt >= self._attempts:
                raise DataError(faults.explain(error, url, attempt)) from error
        # Jitter keeps the many readers of a cluster from coming back all at once.
        time.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
        return self._attempt(name, action, attempt + 1)

    def remove(self, name: str) -> None:
        """Delete the file `name`."""
        self._attempt(name, lambda files, path: files.rm_file(path))

    def delete(self) -> None:
        """Delete the folder and all that is in it."""
        self._attempt("", lambda files, path: files.rm(path, recursive=True))

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
        process = os.getpid()
        if process not in self._filesystem_of_process:
            self._filesystem_of_process[process] = self._open()
        return self._filesystem_of_process[process]

    def _open(self) -> Any:
        if self._scheme == "file":
            return fsspec.filesystem("file")
        files = fsspec.filesystem(
            "s3",
            anon=self._anonymous,
            use_listings_cache=False,
            skip_instance_cache=True,
            config_kwargs={
                "connect_timeout": self._timeout_s,
                "read_timeout": self._timeout_s,
                "retries": {"total_max_attempts": 1},
                # A part of an object can't match the checksum of the whole; the manifest's can.
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            },
        )
        files.retries = 1  # `_attempt` is the only place that tries again
        # s3fs closes its connections when it is collected. A forked child has copies of its
        # parent's, whose event loop does not run there: those are not its to close.
        close, owner = files.close_session, os.getpid()
        files.close_session = lambda *client: close(*client) if os.getpid() == owner else None
        return files


def _list(files: Any, path: str) -> list[str]:
    try:
        found = files.ls(path, detail=True)
    except FileNotFoundError as error:
        from advent_dist.data import faults  # here for the same reason as in `_attempt`

        if faults.is_missing_bucket(error):
            raise
        return []
    return sorted(file["name"].rsplit("/", 1)[-1] for file in found if file["type"] == "file")


def _write_local(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def open_folder(url: str, data: DataConfig | None = None) -> Folder:
    """A folder by path or s3:// URL; nothing is read yet.

    Args:
        url: local path, or s3://bucket/prefix.
        data: its `timeout_s`, `attempts` and `anonymous` are used; None takes their defaults.

    Raises:
        DataError: the URL has another scheme.
    """
    config: Any = DataConfig if data is None else data
    return Folder(
        url, timeout_s=config.timeout_s, attempts=config.attempts, anonymous=config.anonymous
    )


def folder_url(data: DataConfig, folder: str) -> str:
    """URL of a shard folder of a config: relative to `data.root`, unless absolute itself."""
    if "://" in folder or os.path.isabs(folder):
        return folder
    return f"{data.root.rstrip('/')}/{folder}"


def read_manifest(url: str, data: DataConfig | None = None) -> Manifest:
    """The manifest of a shard folder.

    Raises:
        DataError: there is none, it can't be reached, or it is no manifest.
    """
    folder = open_folder(url, data)
    return Manifest.from_json(folder.read(FILE_NAME), f"{folder.url}/{FILE_NAME}")
