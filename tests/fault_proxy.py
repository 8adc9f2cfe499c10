"""A proxy in front of an S3 server that breaks the answers it is told to break."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What goes back to the client; a fault changes it or sends it another way."""

    status: int
    headers: dict[str, str]
    body: bytes


class Fault:
    """Sends an answer as it is; subclasses do not."""

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer.body)


@dataclass
class Refusal(Fault):
    """An S3 error instead of the answer."""

    status: int
    code: str

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        body = f"<Error><Code>{self.code}</Code><Message>no</Message></Error>".encode()
        headers = {"Content-Type": "application/xml", "Content-Length": str(len(body))}
        super().send(Answer(self.status, headers, body), handler)


class Reset(Fault):
    """Half of the body, then a TCP reset."""

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        super().send(Answer(answer.status, answer.headers, _half(answer)), handler)
        handler.wfile.flush()
        time.sleep(0.1)  # a reset throws away what the client has not taken yet
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()


class Close(Fault):
    """Half of the body that Content-Length announces, then the end of the connection."""

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        super().send(Answer(answer.status, answer.headers, _half(answer)), handler)
        handler.close_connection = True


@dataclass
class Stall(Fault):
    """Half of the body, then nothing for a while."""

    seconds: float

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        super().send(Answer(answer.status, answer.headers, _half(answer)), handler)
        handler.wfile.flush()
        time.sleep(self.seconds)
        handler.close_connection = True


@dataclass
class Unended(Fault):
    """The whole body in chunks of HTTP, whose end is not said for a while."""

    seconds: float

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        headers = {**answer.headers, "Transfer-Encoding": "chunked"}
        del headers["Content-Length"]
        chunk = f"{len(answer.body):x}\r\n".encode() + answer.body + b"\r\n"
        super().send(Answer(answer.status, headers, chunk), handler)
        handler.wfile.flush()
        time.sleep(self.seconds)
        handler.close_connection = True


class Short(Fault):
    """A well-formed answer with half of the bytes that were asked for."""

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        half = _half(answer)
        headers = {**answer.headers, "Content-Length": str(len(half))}
        super().send(Answer(answer.status, headers, half), handler)


class Flip(Fault):
    """One wrong bit on the way."""

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        body = bytearray(answer.body)
        body[len(body) // 2] ^= 1
        super().send(Answer(answer.status, answer.headers, bytes(body)), handler)


class Whole(Fault):
    """The range is ignored: from the file's first byte on."""

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        headers = dict(answer.headers)
        headers.pop("Content-Range", None)
        super().send(Answer(200, headers, answer.body), handler)


@dataclass
class ExpiredKey(Fault):
    """Refuses one access key as expired, and lets all others pass."""

    key: str

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        expired = self.key in handler.headers["Authorization"]
        fault = Refusal(400, "ExpiredToken") if expired else Fault()
        fault.send(answer, handler)


def _half(answer: Answer) -> bytes:
    return answer.body[: len(answer.body) // 2]


@dataclass
class Proxy:
    """The running proxy."""

    endpoint: str
    """URL of the S3 server as clients see it."""

    faults: list[Fault] = field(default_factory=list)
    """One for each of the next requests for a shard; when none are left all goes well."""

    always: Fault = field(default_factory=Fault)
    """For every request for a shard that has no fault of its own."""

    ranges: list[str] = field(default_factory=list)
    """The Range of each request for a shard so far."""


@contextmanager
def fault_proxy(server: str) -> Iterator[Proxy]:
    """Stand before the S3 server at the URL `server` until the block ends."""
    upstream = server.removeprefix("http://")
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(OSError):  # the client, or a fault, has closed the connection
                super().handle()

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection = http.client.HTTPConnection(upstream, timeout=20)
            # With its own Host header, since that is signed.
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            hop = ("connection", "transfer-encoding")
            headers = {k: v for k, v in response.headers.items() if k.lower() not in hop}
            content = response.read()
            if self.command != "HEAD":
                headers["Content-Length"] = str(len(content))
            connection.close()
            fault = Fault()
            if self.command == "GET" and ".tar" in self.path:
                with lock:
                    proxy.ranges.append(self.headers.get("Range", ""))
                    fault = proxy.faults.pop(0) if proxy.faults else proxy.always
            fault.send(Answer(response.status, headers, content), self)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = forward  # noqa: N815

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    proxy = Proxy(f"http://127.0.0.1:{httpd.server_port}")
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
