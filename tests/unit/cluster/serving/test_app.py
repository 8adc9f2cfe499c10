"""The server's routes and limits, without Ray and without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from advent_dist.runs.serving.answer import Answer, refusal
from advent_dist.runs.serving.open import About
from cluster.serving import body as body_module
from cluster.serving.app import build_app
from cluster.serving.options import ServeOptions

ABOUT = About(
    runs=("mine",),
    checkpoint="best",
    steps=(7,),
    classes=("road",),
    answers=("trainid", "json"),
)
LIMITS = ServeOptions(max_megabytes=0.001, max_requests=2)


async def echo(data: bytes, kind: str) -> Answer:
    """What was asked, with a status that says that it arrived."""
    return Answer(body=kind.encode() + data, media_type="image/png", status=200)


@pytest.fixture
def client() -> TestClient:
    return TestClient(build_app(echo, ABOUT, LIMITS, lambda: True), raise_server_exceptions=False)


def test_an_answer(client: TestClient) -> None:
    answer = client.post("/predict", content=b"abc")
    assert (answer.status_code, answer.content) == (200, b"trainidabc")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.post("/predict?as=json", content=b"abc").content == b"jsonabc"


def test_health(client: TestClient) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "runs": ["mine"],
        "checkpoint": "best",
        "steps": [7],
        "classes": ["road"],
        "answers": ["trainid", "json"],
    }
    ill = TestClient(build_app(echo, ABOUT, LIMITS, lambda: False)).get("/health")
    assert (ill.status_code, ill.text) == (503, "no worker is ready; wait for it to start again\n")


def test_the_page_names_no_other_host(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for path, kind in (("/page.js", "text/javascript"), ("/page.css", "text/css")):
        part = client.get(path)
        assert path[1:] in page.text
        assert part.headers["content-type"].startswith(kind)
        assert "//" not in part.text.replace("  // ", "")
    # What a browser is not allowed to run or to apply.
    assert "<style" not in page.text
    assert "style=" not in page.text
    assert " on" not in page.text.split("<h1")[0]


@pytest.mark.parametrize(
    ("method", "url", "body", "status", "said"),
    [
        (
            "POST",
            "/predict?as=xml",
            b"a",
            400,
            "?as='xml': there is no such answer; ask for one of",
        ),
        ("POST", "/predict?as=", b"a", 400, "ask for one of trainid, json"),
        ("POST", "/predict?as=%0a%1b[31m", b"a", 400, "there is no such answer"),
        ("POST", "/predict", b"a" * 1001, 413, "the body has more than 1,000 bytes"),
        ("GET", "/predict", None, 405, "GET '/predict': that is not done here; POST images"),
        ("PUT", "/predict", b"a", 405, "PUT '/predict'"),
        ("POST", "/health", b"a", 405, "POST '/health'"),
        (
            "GET",
            "/predict/",
            None,
            404,
            "'/predict/': there is nothing here; send images to /predict",
        ),
        ("GET", "/%0a../etc", None, 404, "there is nothing here"),
    ],
)
def test_what_is_refused_says_why_in_a_line(
    client: TestClient, method: str, url: str, body: bytes | None, status: int, said: str
) -> None:
    answer = client.request(method, url, content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert said in answer.text
    assert answer.text.count("\n") == 1
    assert answer.text.rstrip("\n").isprintable()
    assert client.post("/predict", content=b"a").status_code == 200


def test_a_mistake_of_ours_shows_no_traceback() -> None:
    async def wrong(data: bytes, kind: str) -> Answer:
        raise KeyError("secret")

    client = TestClient(
        build_app(wrong, ABOUT, LIMITS, lambda: True), raise_server_exceptions=False
    )
    for _ in range(LIMITS.max_requests + 1):
        answer = client.post("/predict", content=b"a")
        assert answer.status_code == 500
        assert "secret" not in answer.text


def test_refusals_of_workers_pass() -> None:
    async def no(data: bytes, kind: str) -> Answer:
        return refusal(503, "later")

    answer = TestClient(build_app(no, ABOUT, LIMITS, lambda: True)).post("/predict", content=b"a")
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (503, "later\n", "1")


class Sender:
    """One request whose body comes in pieces, and what it is answered."""

    def __init__(
        self, pieces: Iterator[bytes] | None, headers: dict[str, str] | None = None
    ) -> None:
        self.taken = 0
        """Bytes that were received."""
        self.sent: list[dict[str, Any]] = []
        self._pieces = pieces
        self._headers = headers or {}

    async def post(self, app: Callable[..., Awaitable[None]]) -> int:
        """The status."""
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/predict",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in self._headers.items()],
        }
        await app(scope, self._receive, self._send)
        return int(self.sent[0]["status"])

    async def _receive(self) -> dict[str, Any]:
        if self._pieces is None:
            await asyncio.Event().wait()  # nothing ever comes
            raise AssertionError
        piece = next(self._pieces, None)
        if piece is None:
            return {"type": "http.disconnect"}
        self.taken += len(piece)
        return {"type": "http.request", "body": piece, "more_body": True}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    @property
    def is_the_last(self) -> bool:
        """Whether the connection ends with the answer."""
        return (b"connection", b"close") in self.sent[0]["headers"]


def _endless(piece: bytes = b"x" * 100) -> Iterator[bytes]:
    while True:
        yield piece


def test_a_body_without_end_is_cut_off() -> None:
    sender = Sender(_endless())
    assert asyncio.run(sender.post(build_app(echo, ABOUT, LIMITS, lambda: True))) == 413
    assert sender.taken <= 2 * LIMITS.most_bytes + 200
    assert sender.is_the_last


def test_a_body_that_says_it_is_too_long_is_not_waited_for() -> None:
    sender = Sender(None, {"content-length": "1001", "expect": "100-continue"})
    assert asyncio.run(sender.post(build_app(echo, ABOUT, LIMITS, lambda: True))) == 413
    assert sender.taken == 0


def test_a_body_that_ends_early() -> None:
    sender = Sender(iter([b"abc"]), {"content-length": "1000"})
    assert asyncio.run(sender.post(build_app(echo, ABOUT, LIMITS, lambda: True))) == 400


def test_a_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "_RECEIVED_WITHIN_S", 0.01)
    monkeypatch.setattr(body_module, "_THROWN_AWAY_WITHIN_S", 0.01)
    sender = Sender(None)
    assert asyncio.run(sender.post(build_app(echo, ABOUT, LIMITS, lambda: True))) == 408


def test_more_than_can_be_in_hand_is_refused_and_then_taken_again() -> None:
    async def scenario() -> tuple[list[int], int, int]:
        free, asked = asyncio.Event(), asyncio.Semaphore(0)

        async def slow(data: bytes, kind: str) -> Answer:
            asked.release()
            await free.wait()
            return await echo(data, kind)

        app = build_app(slow, ABOUT, LIMITS, lambda: True)
        first = [asyncio.create_task(_whole().post(app)) for _ in range(2)]
        for _ in first:
            await asked.acquire()
        refused = await _whole().post(app)
        free.set()
        return list(await asyncio.gather(*first)), refused, await _whole().post(app)

    assert asyncio.run(scenario()) == ([200, 200], 503, 200)


def _whole() -> Sender:
    sender = Sender(iter([b"abc"]))
    inner = sender._receive

    async def receive() -> dict[str, Any]:
        return {**await inner(), "more_body": False}

    sender._receive = receive  # type: ignore[method-assign]
    return sender
