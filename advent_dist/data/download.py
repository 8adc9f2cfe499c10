"""Downloads that go on from the byte that an earlier attempt had reached, in the same file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from fsspec.asyn import sync

from advent_dist.data.connection import s3_error_code
from advent_dist.errors import DamageError

_CHUNK_BYTES = 2**18
_PIECE_BYTES = 2**23


class FileChangedError(ConnectionError):
    """The file is another one than that of which some bytes have come."""


@dataclass
class Part:
    """Bytes of a file, as far as they have come: all of one version of it."""

    start: int = 0
    """First byte."""

    stop: int | None = None
    """Byte after the last; none is the end of the file."""

    received: bytearray = field(default_factory=bytearray)
    """The bytes from `start` on that are here."""

    version: Any = None
    """What tells the file that they came from, if any did, from one that replaced it."""

    def keep_to(self, version: Any) -> None:
        """More bytes are to come of this version.

        Raises:
            FileChangedError: it is not that of those that are here, which are forgotten.
        """
        if self.received and version != self.version:
            self.received.clear()
            raise FileChangedError("the file was replaced while it was read")
        self.version = version


def download(files: Any, path: str, part: Part, timeout_s: float) -> None:
    """Get what a part lacks. If that fails it keeps what had come; call again to get the rest.

    Args:
        files: An fsspec file system.
        path: The file, as `files` names it.
        part: Which bytes.
        timeout_s: Seconds that the call may take on S3; others have limits of their own.

    Raises:
        DamageError: the file ends before `part.stop`.
        OSError: storage failed, the time was up, or the file changed; so do the errors of the S3
            client.
    """
    if _is(files, "s3"):
        sync(files.loop, _stream, files, path, part, timeout=timeout_s)
    elif _is(files, "file"):
        part.received += files.cat_file(path, start=part.start, end=part.stop)
        _require_all(part)
    else:
        _by_pieces(files, path, part)


def _is(files: Any, scheme: str) -> bool:
    return scheme in ((files.protocol,) if isinstance(files.protocol, str) else files.protocol)


async def _stream(files: Any, path: str, part: Part) -> None:
    bucket, key, _ = files.split_path(path)
    start, stop, received = part.start, part.stop, part.received
    first = start + len(received)
    # Of the whole file too: only the answer to a range says how large the file is, whatever came.
    asked = {"Range": f"bytes={first}-{'' if stop is None else stop - 1}"}
    if received and part.version is not None:
        asked["IfMatch"] = part.version
    try:
        answer = await files._call_s3("get_object", Bucket=bucket, Key=key, **asked)
    except OSError as error:
        if s3_error_code(error) == "InvalidRange":
            if first == 0 and stop is None:
                return  # an empty file has no first byte
            raise _cut_short(start, stop, None) from error
        if s3_error_code(error) in ("PreconditionFailed", "412"):
            part.keep_to(object())
        raise
    begin, size = _content_range(answer)
    body = answer["Body"]
    try:
        part.keep_to(answer.get("ETag"))  # for servers that know no IfMatch
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


def _by_pieces(files: Any, path: str, part: Part) -> None:
    """From any other storage: one answer is of one version, several have to be proven so."""
    about: dict[str, Any] = {}
    stop = part.stop
    if stop is None:
        about = _about(files, path)
        stop = about.get("size") or 0
        if stop <= _PIECE_BYTES:  # without a range, which would be that of another version's size
            part.received[:] = files.cat_file(path)
            return
    if stop - part.start > _PIECE_BYTES:
        part.keep_to(about or _about(files, path))
    while (first := part.start + len(part.received)) < stop:
        last = min(first + _PIECE_BYTES, stop)
        piece = files.cat_file(path, start=first, end=last)
        if len(piece) > last - first:
            raise OSError(f"{last - first} bytes were asked for, {len(piece)} came")
        part.received += piece
        if len(piece) < last - first:
            break
    if part.version is not None:
        part.keep_to(_about(files, path))
    _require_all(part)


def _about(files: Any, path: str) -> dict[str, Any]:
    """Size, time, ETag and whatever else a storage says of a file; empty if it says nothing."""
    try:
        about: dict[str, Any] = files.info(path)
    except FileNotFoundError:
        return {}  # over HTTP whatever goes wrong here is said to be that: reading will tell
    return about


def _require_all(part: Part) -> None:
    if part.stop is not None and len(part.received) < part.stop - part.start:
        raise _cut_short(part.start, part.stop, part.start + len(part.received))


def _cut_short(start: int, stop: int | None, size: int | None) -> DamageError:
    there = "fewer" if size is None else f"only {size} bytes"
    return DamageError(
        f"bytes {start}-{stop} were asked for, but the file has {there}: it is cut short; copy "
        f"or build it again"
    )
