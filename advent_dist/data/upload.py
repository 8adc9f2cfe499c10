"""Uploads to S3: what is large goes in parts, each of which is tried again by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from fsspec.asyn import sync

from advent_dist.data.connection import s3_error_code
from advent_dist.errors import DataError, UnavailableError

T = TypeVar("T")

PART_BYTES = 2**23
"""At most so much is sent by one request; S3 takes no parts below 5 MiB but the last one."""

_MOST_PARTS = 10_000
_PARALLEL = 8
_STARTS = 3


class Attempt(Protocol):
    """How requests for a file are tried: `Folder` has the retries and renews credentials."""

    def __call__(self, action: Callable[[Any, str], T], attempts: int | None = None) -> T:
        """What `action(filesystem, path)` returns; None makes as many attempts as the folder."""
        ...


class _EndedError(Exception):
    """There is no such upload any more: it was completed, or aborted."""


def upload(attempt: Attempt, url: str, source: bytes | Path, timeout_s: float) -> None:
    """Write a file on S3; readers see all of it or the one before.

    Args:
        attempt: Tries requests for the file.
        url: The file, for messages.
        source: Its bytes, or a local file that has them.
        timeout_s: Seconds that a request may take which sends some of them.

    Raises:
        DataError: the storage can't be written; nothing of the upload is left there, if it answers.
    """
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    if size <= PART_BYTES:
        data = _piece(source, 0, size)
        attempt(lambda files, path: _send(files, path, timeout_s, "put_object", Body=data))
        return
    for _ in range(_STARTS):
        # It may have been completed by a request whose answer was lost, or been aborted by
        # whoever tidies the bucket. A second upload is right in both cases.
        with suppress(_EndedError):
            _upload_in_parts(attempt, source, size, timeout_s)
            return
    raise UnavailableError(
        f"{url}: given up: storage has ended its upload {_STARTS} times before it was complete; "
        "look for a rule of the bucket that aborts uploads, and whether its server is restarted"
    )


def _upload_in_parts(attempt: Attempt, source: bytes | Path, size: int, timeout_s: float) -> None:
    begun = attempt(lambda files, path: _call(files, path, "create_multipart_upload"))
    this = {"UploadId": begun["UploadId"]}
    part_bytes = max(PART_BYTES, -(-size // _MOST_PARTS))

    def send(number: int) -> dict[str, Any]:
        data = _piece(source, number * part_bytes, part_bytes)
        part = {**this, "PartNumber": number + 1, "Body": data}
        sent = attempt(lambda files, path: _send(files, path, timeout_s, "upload_part", **part))
        return {"PartNumber": number + 1, "ETag": sent["ETag"]}

    try:
        with ThreadPoolExecutor(_PARALLEL) as threads:
            parts = list(threads.map(send, range(-(-size // part_bytes))))
        whole = {**this, "MultipartUpload": {"Parts": parts}}
        attempt(lambda files, path: _call(files, path, "complete_multipart_upload", **whole))
    except _EndedError:
        raise
    except BaseException:
        # Or the parts would be paid for until somebody finds them. Once: storage may be away.
        with suppress(DataError, _EndedError):
            attempt(lambda files, path: _call(files, path, "abort_multipart_upload", **this), 1)
        raise


def _piece(source: bytes | Path, start: int, num_bytes: int) -> bytes:
    if isinstance(source, bytes):
        return source[start : start + num_bytes]
    with source.open("rb") as file:
        file.seek(start)
        return file.read(num_bytes)


def _send(files: Any, path: str, timeout_s: float, method: str, **arguments: Any) -> Any:
    """A request with a body."""
    bucket, key, _ = files.split_path(path)
    with _end_is_told():
        # The client's own limits are those of silence while it reads: a server that takes nothing
        # of what is sent to it would be waited for without end.
        request = {"Bucket": bucket, "Key": key, **arguments}
        return sync(files.loop, files._call_s3, method, timeout=timeout_s, **request)


def _call(files: Any, path: str, method: str, **arguments: Any) -> Any:
    """A request without one: the client's own time limit holds."""
    bucket, key, _ = files.split_path(path)
    with _end_is_told():
        return files.call_s3(method, Bucket=bucket, Key=key, **arguments)


@contextmanager
def _end_is_told() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if s3_error_code(error) in ("NoSuchUpload", "404"):
            raise _EndedError from error
        raise
