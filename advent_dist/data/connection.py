"""The fsspec file system behind a URL, opened once in each process."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

import fsspec
from fsspec.registry import known_implementations, registry

from advent_dist.data.driver import Bounded
from advent_dist.errors import DataError

_ONE_SLASH = re.compile(r"([a-z][a-z0-9+.-]+):/(?!/)")
"""What `Path` and `normpath` make of a URL; as a path it would be that of a folder `s3:`."""


def scheme_of(url: str) -> str:
    """`s3` of s3://bucket/folder, `file` of a local path.

    Raises:
        DataError: fsspec knows no such scheme, or the URL is one cut short.
    """
    mangled = _ONE_SLASH.match(url)
    if mangled is not None and mangled[1] in known_implementations:
        raise DataError(f"{url}: it has lost a slash; give {mangled[1]}://...")
    scheme, _, rest = url.partition("://") if "://" in url else ("file", "", "")
    if scheme == "s3" and not rest.strip("/"):
        raise DataError(f"{url}: it names no bucket; give s3://BUCKET/FOLDER")
    if scheme not in known_implementations and scheme not in registry:
        raise DataError(f"{url}: no access to {scheme}://; give a local folder or an s3:// URL")
    return scheme


@dataclass(frozen=True)
class Connection:
    """How files are reached. Equal connections of one process share one client.

    Credentials, region and endpoint are those of the environment at the first use.
    """

    scheme: str
    """As `scheme_of` gives it."""

    timeout_s: float
    """Seconds without an answer after which a request fails."""

    anonymous: bool
    """Send S3 requests without credentials."""

    @property
    def filesystem(self) -> Any:
        """The open fsspec file system.

        Raises:
            DataError: the package that the scheme needs is not installed.
        """
        key = self._key()
        files = _filesystems.get(key)
        # Another thread may open it, or take it away to renew it, between any two of these lines.
        return _filesystems.setdefault(key, self._open()) if files is None else files

    @property
    def bounded(self) -> Any:
        """The same, to be used for one attempt: what it raises are errors of storage.

        A disk has no need of limits, and S3 has its own.
        """
        files = self.filesystem
        return files if self.scheme in ("file", "s3") else Bounded(files, self.timeout_s)

    def renew(self) -> None:
        """Open anew at the next use, with the credentials of then."""
        _filesystems.pop(self._key(), None)

    def _key(self) -> tuple[object, ...]:
        # An open S3 client does not survive a fork: each process has its own.
        variables = (item for item in os.environ.items() if item[0].startswith("AWS_"))
        return (os.getpid(), self, *sorted(variables))

    def _open(self) -> Any:
        if self.scheme == "s3":
            return _open_s3(self.timeout_s, self.anonymous)
        try:
            return fsspec.filesystem(
                self.scheme, skip_instance_cache=True, use_listings_cache=False
            )
        except (ImportError, ValueError) as error:
            raise DataError(f"{self.scheme}:// can't be read: {error}") from error


_filesystems: dict[tuple[object, ...], Any] = {}


def s3_error_code(error: BaseException) -> str:
    """S3's own name of the error behind one that s3fs raised; empty if it has none."""
    answer = getattr(error.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


def _open_s3(timeout_s: float, anonymous: bool) -> Any:
    files = fsspec.filesystem(
        "s3",
        anon=anonymous,
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={
            "connect_timeout": timeout_s,
            "read_timeout": timeout_s,
            "retries": {"total_max_attempts": 1},
            # A part of an object can't match the checksum of the whole; the manifest's can.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        },
    )
    files.retries = 1  # `Folder` is the only one that tries again
    # s3fs closes its connections when it is collected. A forked child has copies of its
    # parent's, whose event loop does not run there: those are not its to close.
    close, owner = files.close_session, os.getpid()
    files.close_session = lambda *client: close(*client) if os.getpid() == owner else None
    return files
