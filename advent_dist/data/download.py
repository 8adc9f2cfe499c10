"""Downloads that go on from the byte that an earlier attempt had reached."""

from __future__ import annotations

import asyncio
import re
from concurrent import futures
from typing import Any

from advent_dist.data.connection import s3_error_code
from advent_dist.errors import DamageError

_CHUNK_BYTES = 2**18
_GRACE_S = 5.0


def download(
    files: Any,
    path: str,
    received: bytearray,
    *,
    start: int = 0,
    stop: int | None = None,
    timeout_s: float,
) -> None:
    """Append to `received` what it lacks of bytes `start` up to, not including, `stop` of a file.

    If it fails, `received` keeps what had come; call again to get the rest.

    Args:
        files: An fsspec file system.
        path: The file, as `files` names it.
        received: The bytes from `start` on that are here already.
        start: First byte.
        stop: Byte after the last; none reads to the end of the file.
        timeout_s: Seconds that the call may take on S3.

    Raises:
        DamageError: the file ends before `stop`.
        OSError: storage failed, or the time was up; so do the errors of the S3 client.
    """
    if _is_s3(files):
        work = asyncio.wait_for(_stream(files, path, received, start, stop), timeout_s)
        running = asyncio.run_coroutine_threadsafe(work, files.loop)
        try:
            # The first limit ends the request; this one holds even if the loop itself is stuck.
            running.result(timeout_s + _GRACE_S)
        except futures.TimeoutError as error:
            running.cancel()
            raise asyncio.TimeoutError from error
    else:
        # Local files and other stores give the whole rest or fail.
        received += files.cat_file(path, start=start + len(received), end=stop)
        if stop is not None and len(received) < stop - start:
            raise _cut_short(start, stop, start + len(received))


def _is_s3(files: Any) -> bool:
    return "s3" in ((files.protocol,) if isinstance(files.protocol, str) else files.protocol)


async def _stream(files: Any, path: str, received: bytearray, start: int, stop: int | None) -> None:
    bucket, key, _ = files.split_path(path)
    first = start + len(received)
    whole = first == 0 and stop is None
    range_ = {} if whole else {"Range": f"bytes={first}-{'' if stop is None else stop - 1}"}
    try:
        answer = await files._call_s3("get_object", Bucket=bucket, Key=key, **range_)
    except OSError as error:
        if s3_error_code(error) == "InvalidRange":
            raise _cut_short(start, stop, None) from error
        raise
    begin, size = _content_range(answer)
    body = answer["Body"]
    try:
        if begin != first:
            raise ConnectionError(f"asked for byte {first}, got byte {begin}")
        if stop is not None and size < stop:
            raise _cut_short(start, stop, size)
        # Not until the answer's end, which may be long in coming: another attempt, made when the
        # time is up, would then ask for bytes beyond the last one.
        while (missing := (size if stop is None else stop) - start - len(received)) > 0:
            chunk = await body.read(min(missing, _CHUNK_BYTES))
            if not chunk:
                raise ConnectionError(f"the answer ended at byte {start + len(received)}")
            received += chunk
    finally:
        body.close()


def _content_range(answer: Any) -> tuple[int, int]:
    """The first byte of an answer, and the size of the whole file."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.get("ContentRange", ""))
    return (int(found[1]), int(found[2])) if found else (0, int(answer["ContentLength"]))


def _cut_short(start: int, stop: int | None, size: int | None) -> DamageError:
    there = "fewer" if size is None else f"only {size} bytes"
    return DamageError(
        f"bytes {start}-{stop} were asked for, but the file has {there}: it is cut short; copy "
        f"or build it again"
    )
