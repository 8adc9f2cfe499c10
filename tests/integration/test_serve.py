"""`advent-dist serve` as a process, asked by HTTP: by many at a time, and by who means no good."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
from PIL import Image

from advent_dist import cli
from tests.family import name_in
from tests.unit.runs.serving.test_answers import varied_run
from tests.unit.runs.serving.test_sent_image import bomb
from tests.waiting import wait_until

_PATIENCE_S = 240
_COUNT = 6
_PICTURES = {"trainid": "trainid", "colour": "color", "overlay": "overlay", "entropy": "entropy"}


class _Server:
    """The process, and what it has said."""

    def __init__(self, run: str, log: Path, *flags: str) -> None:
        self._log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "advent_dist", "serve", run, "--port", "0", *flags],
                env={**os.environ, "TMPDIR": "/tmp"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def url(self) -> str:
        """Where it answers, once it does."""
        wait_until(
            lambda: "-- serving" in self.said,
            within_s=_PATIENCE_S,
            running=self.process,
            said=lambda: self.said,
        )
        return re.findall(r"at (http://127\.0\.0\.1:\d+);", self.said)[0]

    def told(self, number: int) -> int:
        """Send a signal; the exit status, once nothing is left of it."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        assert any("ServeReplica" in name_in(one) for one in family), family
        self.process.send_signal(number)
        status = self.process.wait(_PATIENCE_S)
        assert psutil.wait_procs(family, timeout=30)[1] == []
        return status


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(_COUNT):
        shape = (40 + number, 70 - number, 3)
        noise = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return folder


def test_answers_refuses_and_ends(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    run, out = varied_run(tmp_path), tmp_path / "out"
    server = _Server(run, tmp_path / "said.txt", "--max-megabytes", "0.1", "--max-requests", "8")
    try:
        # Meanwhile, by the command that it is to agree with.
        line = ["predict", run, "--images", str(photographs), "--out", str(out), "--overlay"]
        assert cli.run(line) == 0
        url = server.url()
        _answers_are_predictions(url, photographs, out)
        for status, said, answer in _hostile(url):
            assert status == answer[0], (said, answer)
            assert said in answer[1]
            assert answer[1].rstrip("\n").isprintable()
            assert requests.get(f"{url}/health", timeout=60).json()["steps"] == [4]
        _answers_are_predictions(url, photographs, out)
        assert "Traceback" not in server.said
        assert server.told(signal.SIGTERM) == 143, server.said
        assert server.said.endswith("\nadvent-dist serve: stopped\n")
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{url}/health", timeout=5)
    finally:
        server.process.kill()
        server.process.wait()


def _answers_are_predictions(url: str, photographs: Path, out: Path) -> None:
    """From 8 threads at a time, all that can be asked of each."""

    def ask(number: int, kind: str) -> tuple[bytes, str]:
        data = (photographs / f"{number}.png").read_bytes()
        answer = requests.post(f"{url}/predict", params={"as": kind}, data=data, timeout=120)
        assert answer.status_code == 200, answer.text
        return answer.content, answer.headers["content-type"]

    asked = [(number, kind) for kind in (*_PICTURES, "json") for number in range(_COUNT)]
    with ThreadPoolExecutor(8) as threads:
        answers = dict(zip(asked, threads.map(lambda one: ask(*one), asked), strict=True))
    for (number, kind), (body, media_type) in answers.items():
        if kind == "json":
            tree = json.loads(body)
            assert (tree["width"], tree["height"]) == (70 - number, 40 + number)
            continue
        assert media_type == "image/png"
        written = (out / f"{number}_{_PICTURES[kind]}.png").read_bytes()
        assert _chunks(body) == _chunks(written), (number, kind)
    masks = {answers[number, "trainid"][0] for number in range(_COUNT)}
    assert len(masks) == _COUNT, "they can be told apart"


def _chunks(png: bytes) -> list[bytes]:
    """All but the text, in which `predict` notes what the file was made of."""
    found, at = [], 8
    while at < len(png):
        size = 12 + int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] != b"tEXt":
            found.append(png[at : at + size])
        at += size
    return found


def _hostile(url: str) -> Iterator[tuple[int, str, tuple[int, str]]]:
    """The status and words that are expected, and what came."""

    def post(data: bytes, query: str = "") -> tuple[int, str]:
        answer = requests.post(f"{url}/predict{query}", data=data, timeout=120)
        return answer.status_code, answer.text

    yield 413, "it has 100000x100000 pixels, but at most 50,000,000", post(bomb(100_000, 100_000))
    jpeg = _jpeg()
    yield 400, "it can't be read", post(jpeg[: len(jpeg) // 2])
    yield 415, "it can't be read as JPEG, PNG", post(b"dear sir or madam")
    yield 400, "is empty", post(b"")
    yield 400, "?as='xml': there is no such answer", post(jpeg, "?as=xml")
    yield 413, "more than 100,000 bytes", post(b"x" * 100_001)
    answer = requests.get(f"{url}/predict", timeout=60)
    yield 405, "POST images to /predict", (answer.status_code, answer.text)

    head = b"POST /predict HTTP/1.1\r\nHost: here\r\n"
    # It only says so, and sends nothing.
    yield 413, "more than 100,000 bytes", _raw(url, head + b"Content-Length: 999999999999\r\n\r\n")
    endless = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    yield (
        413,
        "more than 100,000 bytes",
        _raw(url, head + b"Transfer-Encoding: chunked\r\n\r\n", endless),
    )
    yield 400, "", _raw(url, b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    yield 400, "", _raw(url, head + b"X: " + b"x" * 70_000)


def _raw(url: str, first: bytes, then: bytes = b"") -> tuple[int, str]:
    """Status and body of the answer to bytes, of which the second part is sent without end."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        sent = 0
        try:
            connection.sendall(first)
            while then:
                connection.sendall(then)
                sent += len(then)
                assert sent < 50e6, "it goes on taking"
        except (ConnectionError, TimeoutError):
            pass  # it has hung up
        answer = b""
        while more := connection.recv(65536):
            answer += more
    header, _, body = answer.partition(b"\r\n\r\n")
    return int(header.split()[1]), body.decode()


def _jpeg() -> bytes:
    file = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()
