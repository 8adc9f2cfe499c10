"""Storage that is neither a disk nor S3: whatever its driver does, it is as with s3://.

The drivers here are those that fsspec brings (memory, HTTP), and others that fail as gs:// and az://
may: their servers can't be had, what their drivers promise is fsspec's interface.
"""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from advent_dist.data import download as downloads
from advent_dist.data.store import Folder
from advent_dist.data.traffic import RETRIES, Tally
from advent_dist.errors import DamageError, DataError, MissingError, UnavailableError


class DriverError(Exception):
    """As gcsfs and adlfs have theirs: no OSError, and a status of HTTP."""

    def __init__(self, status: int) -> None:
        super().__init__("secret words of a server")
        self.status_code = status


class Troubled(MemoryFileSystem):
    """Blocks the thread that calls it, as most drivers do."""

    protocol = "troubled"
    faults: ClassVar[list[Callable[[], Any]]] = []
    """What is done instead of, or before, the next calls."""

    calls: ClassVar[list[str]] = []

    def _trouble(self, name: str) -> None:
        self.calls.append(name)
        if self.faults:
            self.faults.pop(0)()

    def cat_file(self, path: str, **options: Any) -> bytes:
        self._trouble("cat_file")
        found: bytes = super().cat_file(path, **options)
        return found

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        self._trouble("pipe_file")
        super().pipe_file(path, value, **options)

    def rm_file(self, path: str) -> None:
        self._trouble("rm_file")
        super().rm_file(path)

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """Lists from a cache, if it is not told not to: so do gcsfs, adlfs and s3fs."""
        if path in self.dircache:
            return list(self.dircache[path])
        self._trouble("ls")
        found = super().ls(path, detail=True, **options)
        self.dircache[path] = found
        return found


class Awaited(AsyncFileSystem):
    """Works in an event loop, as gcsfs and adlfs do."""

    protocol = "awaited"
    cancelled: ClassVar[list[str]] = []

    async def _cat_file(self, path: str, **options: Any) -> bytes:
        import asyncio

        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.append(path)
            raise
        return b""

    async def _pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        await self._cat_file(path)

    async def _info(self, path: str, **options: Any) -> dict[str, Any]:
        return {"name": path, "size": 1, "type": "file"}


for kind in (Troubled, Awaited):
    fsspec.register_implementation(kind.protocol, kind, clobber=True)


@pytest.fixture(autouse=True)
def _no_trouble(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("advent_dist.data.store._FIRST_PAUSE_S", 0.001)
    Troubled.faults, Troubled.calls = [], []
    yield
    Troubled.faults = []


def folder(url: str, tally: Tally | None = None, **changes: Any) -> Folder:
    options = {"timeout_s": 5.0, "attempts": 4, "anonymous": False, **changes}
    return Folder(url, tally=tally, **options)


def fail(error: Exception) -> Callable[[], Any]:
    def raise_it() -> None:
        raise error

    return raise_it


LATER = [
    DriverError(500),
    DriverError(503),
    DriverError(429),
    DriverError(408),
    RuntimeError("what a driver may raise"),
    ConnectionResetError(),
    TimeoutError(),
]


@pytest.mark.parametrize("error", LATER, ids=repr)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    tally = Tally()
    place = folder("troubled://bucket/again", tally)
    Troubled.faults = [fail(error)] * 3
    place.write("a.bin", b"0123")
    Troubled.faults = [fail(error)] * 3
    assert place.read("a.bin") == b"0123"
    Troubled.faults = [fail(error)] * 3
    assert place.read_range("a.bin", 1, 3) == b"12"
    Troubled.faults = [fail(error)] * 3
    assert place.list() == ["a.bin"]
    Troubled.faults = [fail(error)] * 3
    place.remove("a.bin")
    assert tally.take()[RETRIES] == 5 * 3


@pytest.mark.parametrize("error", LATER, ids=repr)
def test_what_does_not_pass_is_one_sentence(error: Exception) -> None:
    place = folder("troubled://bucket/stays")
    for action in (lambda: place.read("a"), lambda: place.write("a", b""), place.list):
        Troubled.faults = [fail(error)] * 4
        with pytest.raises(UnavailableError, match=r"^troubled://bucket/stays.* 4 attempts") as one:
            action()
        assert "secret" not in str(one.value)
        assert Troubled.faults == []


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (DriverError(403), DataError, "access denied; check the credentials that the driver of tr"),
        (DriverError(401), DataError, "access denied"),
        (DriverError(404), MissingError, "there is no such object"),
        (FileNotFoundError(), MissingError, "there is no such object"),
        (DriverError(400), DataError, r"answered with an error, 1 attempts \(DriverError\)"),
        (ValueError("Bad Request"), DataError, r"1 attempts \(ValueError\)"),
        (NotImplementedError(), DataError, "the driver of troubled:// can't do this"),
    ],
    ids=repr,
)
def test_what_stays_wrong_is_said_at_once(
    error: Exception, kind: type[DataError], message: str
) -> None:
    place = folder("troubled://bucket/wrong")
    Troubled.faults = [fail(error)]
    with pytest.raises(kind, match=rf"^troubled://bucket/wrong/a: .*{message}") as caught:
        place.write("a", b"")
    assert Troubled.calls == ["pipe_file"]
    assert not isinstance(caught.value, UnavailableError)


def test_a_mistake_of_a_program_is_none_of_storage() -> None:
    Troubled.faults = [fail(TypeError("x"))]
    with pytest.raises(TypeError):
        folder("troubled://bucket/mistake").write("a", b"")


def test_a_driver_that_does_not_answer_is_left() -> None:
    answer = threading.Event()
    Troubled.faults = [answer.wait] * 2
    place = folder("troubled://bucket/silent", timeout_s=0.2, attempts=2)
    try:
        with pytest.raises(UnavailableError, match="no connection after 2 attempts"):
            place.write("a", b"")
    finally:
        answer.set()


def test_a_request_that_is_not_answered_is_ended() -> None:
    """Or it might still replace a file that was written meanwhile."""
    place = folder("awaited://bucket", timeout_s=0.2, attempts=2)
    for action in (lambda: place.read("a"), lambda: place.write("a", b"")):
        Awaited.cancelled.clear()
        with pytest.raises(UnavailableError, match=r"bucket/a: no connection after 2 attempts"):
            action()
        assert len(Awaited.cancelled) == 2


def test_listings_are_fresh() -> None:
    one, other = folder("troubled://bucket/fresh"), folder("troubled://bucket/fresh")
    one.write("a.bin", b"")
    assert one.list() == ["a.bin"]
    MemoryFileSystem().pipe_file("troubled://bucket/fresh/b.bin", b"")  # by another process
    assert one.list() == other.list() == ["a.bin", "b.bin"]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_PIECE_BYTES", 100)


def test_a_large_file_comes_in_pieces_and_goes_on_after_a_fault(small_pieces: None) -> None:
    place, data = folder("troubled://bucket/large"), bytes(range(250)) * 2
    place.write("a.bin", data)
    Troubled.faults = [lambda: None, lambda: None, fail(DriverError(503))]
    Troubled.calls = []
    assert place.read("a.bin") == data
    assert Troubled.calls == ["cat_file"] * 6, "the pieces that had come are not read again"
    assert place.read_range("a.bin", 30, 333) == data[30:333]
    with pytest.raises(DamageError, match="bytes 30-600 were asked for, but the file has only 500"):
        place.read_range("a.bin", 30, 600)


def test_a_file_that_is_replaced_while_it_is_read_is_read_anew(small_pieces: None) -> None:
    place = folder("troubled://bucket/replaced")
    old, new = b"o" * 450, b"n" * 470
    place.write("a.bin", old)

    def replace() -> None:
        time.sleep(0.01)  # the store tells versions apart by their time
        MemoryFileSystem().pipe_file("troubled://bucket/replaced/a.bin", new)

    Troubled.faults = [lambda: None, lambda: None, replace]
    assert place.read("a.bin") == new
    place.write("a.bin", old)
    Troubled.faults = [lambda: None, lambda: None, replace, fail(DriverError(503))]
    assert place.read("a.bin") == new


@contextmanager
def served(root: Path, faults: list[int], ranges: bool = True) -> Iterator[str]:
    """The folder at an http:// URL; each of `faults` is the status of one answer, 0 none at all."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            status, body = 200, b""
            file = root / self.path.lstrip("/")
            if faults:
                status = faults.pop(0)
                if not status:
                    time.sleep(1.0)
                    self.close_connection = True
                    return
            elif not file.is_file():
                status = 404
            else:
                body = file.read_bytes()
                asked = self.headers.get("Range")
                if asked and ranges:
                    first, last = asked.removeprefix("bytes=").split("-")
                    status, body = 206, body[int(first) : int(last) + 1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_web_server_is_read_as_any_other_storage(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4
    (tmp_path / "a.bin").write_bytes(data)
    faults: list[int] = []
    with served(tmp_path, faults) as url:
        place = folder(url, timeout_s=0.5)
        assert place.read("a.bin") == data
        assert place.read_range("a.bin", 100, 300) == data[100:300]
        for status in (500, 503, 0):
            faults[:] = [status] * 3
            assert place.read_range("a.bin", 100, 300) == data[100:300]
            faults[:] = [status] * 3
            assert place.read("a.bin") == data
        faults[:] = [503] * 20
        with pytest.raises(UnavailableError, match=rf"^{url}/a.bin: .* 4 attempts"):
            place.read("a.bin")
        faults[:] = [403, 403, 403]
        with pytest.raises(DataError, match=r"access denied; check the credentials"):
            place.read("a.bin")
        faults.clear()
        with pytest.raises(MissingError, match=rf"^{url}/b.bin: there is no such object"):
            place.read("b.bin")
        with pytest.raises(DataError, match="the driver of http:// can't do this"):
            place.write("b.bin", b"")


def test_a_web_server_that_knows_no_ranges_gives_no_wrong_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    with served(tmp_path, [], ranges=False) as url:
        place = folder(url, attempts=2)
        assert place.read("a.bin") == bytes(range(256))
        with pytest.raises(DataError, match=rf"^{url}/a.bin: "):
            place.read_range("a.bin", 100, 120)
