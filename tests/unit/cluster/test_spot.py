"""The notice by which a cloud takes a machine back, from a metadata server of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cluster import spot
from cluster.spot import Options, seconds_left, watch


class Metadata(ThreadingHTTPServer):
    """Answers as the metadata servers of both clouds do."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.action: str | None = None
        self.busy = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Metadata

    def do_PUT(self) -> None:
        asked = self.path == "/latest/api/token"
        ttl = self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self._answer(200 if asked and ttl else 400, "the-token")

    def do_GET(self) -> None:
        if self.server.busy:
            self.server.busy -= 1
            self._answer(503, "")
        elif self.path == "/computeMetadata/v1/instance/preempted":
            google = self.headers["Metadata-Flavor"] == "Google"
            self._answer(200 if google else 403, "TRUE" if self.server.action else "FALSE")
        elif self.headers["X-aws-ec2-metadata-token"] != "the-token":
            self._answer(401, "")
        elif self.path == "/latest/meta-data/spot/instance-action" and self.server.action:
            self._answer(200, self.server.action)
        else:
            self._answer(404, "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    with Metadata() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _notice(seconds: float) -> str:
    when = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return f'{{"action": "terminate", "time": "{when:%Y-%m-%dT%H:%M:%SZ}"}}'


def test_aws(metadata: Metadata) -> None:
    options = Options(server=metadata.url)
    assert seconds_left(options) is None
    metadata.action = _notice(120)
    assert seconds_left(options) == pytest.approx(120, abs=3)


def test_google(metadata: Metadata) -> None:
    options = Options(cloud="google", server=metadata.url)
    assert seconds_left(options) is None
    metadata.action = "yes"
    assert seconds_left(options) == 25


def test_the_notice_reaches_ray_although_the_server_is_busy_at_first(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained: list[tuple[float, str]] = []
    statuses = iter([1, 0])  # so is Ray's control at first

    def drain(seconds: float, address: str) -> int:
        drained.append((seconds, address))
        return next(statuses)

    monkeypatch.setattr(spot, "drain", drain)
    metadata.busy, metadata.action = 2, _notice(120)
    assert watch(Options(server=metadata.url, every_s=0.01, address="10.0.0.1:6379")) == 0
    _, (seconds, address) = drained
    assert seconds == pytest.approx(120, abs=3)
    assert address == "10.0.0.1:6379"


def test_an_answer_that_is_none_does_not_end_the_watch(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drain(seconds: float, address: str) -> int:
        return 0

    def mended(_: float) -> None:
        metadata.action = _notice(120)

    monkeypatch.setattr(spot, "drain", drain)
    monkeypatch.setattr(spot.time, "sleep", mended)
    metadata.action = "<html>"
    assert watch(Options(server=metadata.url)) == 0
