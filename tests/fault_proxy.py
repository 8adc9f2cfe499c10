"""A proxy in front of an S3 server that breaks the requests and answers it is told to break."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

VERBS = ("GET", "HEAD", "LIST", "PUT", "INITIATE", "PART", "COMPLETE", "ABORT", "DELETE")
"""What clients ask of S3; DELETE is of one object or of many."""


@dataclass
class Answer:
    """What goes back to the client; a fault changes it or sends it another way."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Request:
    """What a client has sent: headers, and a body that is read when somebody asks for it."""

    verb: str
    """One of `VERBS`."""

    handler: BaseHTTPRequestHandler
    upstream: str

    def answer(self) -> Answer:
        """The server's."""
        connection = self._begin(20)
        body = self._body()
        connection.endheaders(body)
        response = connection.getresponse()
        hop = ("connection", "transfer-encoding")
        headers = {k: v for k, v in response.headers.items() if k.lower() not in hop}
        content = response.read()
        if self.verb != "HEAD":
            headers["Content-Length"] = str(len(content))
        connection.close()
        return Answer(response.status, headers, content)

    def send_half(self) -> None:
        """The server gets half of the body, and then nothing more."""
        connection = self._begin(20)
        body = self._body()
        connection.endheaders(body[: len(body) // 2])
        connection.close()

    def ignore(self) -> None:
        """The client has sent it for nothing."""
        self._body()

    def _begin(self, timeout: float) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.upstream, timeout=timeout)
        # With its own Host header, since that is signed.
        connection.putrequest(
            self.handler.command, self.handler.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in self.handler.headers.items():
            if name.lower() != "expect":
                connection.putheader(name, value)
        return connection

    def _body(self) -> bytes:
        return self.handler.rfile.read(int(self.handler.headers.get("Content-Length", 0)))


def verb_of(command: str, path: str) -> str:
    """What an S3 request asks for."""
    url = urlsplit(path)
    query = parse_qs(url.query, keep_blank_values=True).keys()
    if command == "GET" and (not url.path.strip("/").partition("/")[2] or "list-type" in query):
        return "LIST"
    if command == "PUT" and "partNumber" in query:
        return "PART"
    if command == "POST":
        return "INITIATE" if "uploads" in query else "COMPLETE" if "uploadId" in query else "DELETE"
    return "ABORT" if command == "DELETE" and "uploadId" in query else command


class Fault:
    """Sends requests and answers as they are; subclasses do not."""

    def meet(self, request: Request) -> None:
        self.send(request.answer(), request.handler)

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(answer.body)


@dataclass
class Unheard(Fault):
    """Another fault, in a request that the server never gets."""

    fault: Fault

    def meet(self, request: Request) -> None:
        request.ignore()
        self.fault.send(Answer(200, {}, b""), request.handler)


class Cut(Fault):
    """A TCP reset instead of the answer."""

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        _reset(handler)


@dataclass
class Silence(Fault):
    """Nothing for a while, then the end of the connection, instead of the answer."""

    seconds: float

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        time.sleep(self.seconds)
        handler.close_connection = True


class HalfHeard(Fault):
    """The server gets half of the request's body, the client a TCP reset."""

    def meet(self, request: Request) -> None:
        request.send_half()
        _reset(request.handler)


@dataclass
class Deaf(Fault):
    """Nothing of the request's body is taken from the client, for a while."""

    seconds: float

    def meet(self, request: Request) -> None:
        time.sleep(self.seconds)
        request.handler.close_connection = True


class Every(Fault):
    """One fault after the other, in every so manieth request of each verb."""

    def __init__(self, number: int, faults: Sequence[Fault]) -> None:
        self._number = number
        self._faults = faults
        self._lock = threading.Lock()
        self.seen: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()

    def meet(self, request: Request) -> None:
        fault = Fault()
        with self._lock:
            self.seen[request.verb] += 1
            if self.seen[request.verb] % self._number == 0:
                # Each verb begins with another one.
                first = VERBS.index(request.verb)
                fault = self._faults[(first + self.broken[request.verb]) % len(self._faults)]
                self.broken[request.verb] += 1
        fault.meet(request)


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
        _reset(handler)


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


def _reset(handler: BaseHTTPRequestHandler) -> None:
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.shutdown(socket.SHUT_RD)
    handler.connection.close()
    handler.close_connection = True


def shard_reads(verb: str, path: str) -> bool:
    return verb == "GET" and ".tar" in path


def _half(answer: Answer) -> bytes:
    return answer.body[: len(answer.body) // 2]


PASSING_FAULTS = (
    Unheard(Refusal(500, "InternalError")),
    Cut(),
    Unheard(Refusal(503, "SlowDown")),
    Close(),
    Unheard(Cut()),
    Refusal(503, "ServiceUnavailable"),
    HalfHeard(),
    Short(),
    Unheard(Silence(1.0)),
)
"""After each of them, another request is right; some had been done, and the answer was lost."""


def every_tenth() -> Every:
    """Breaks every tenth request of each verb, in one way after the other."""
    return Every(10, PASSING_FAULTS)


@contextmanager
def broken(proxy: Proxy, faults: Fault) -> Iterator[None]:
    """All requests meet `faults` until the block ends."""
    breaks, always = proxy.breaks, proxy.always
    proxy.breaks, proxy.always = (lambda *_: True), faults
    try:
        yield
    finally:
        proxy.breaks, proxy.always = breaks, always


@dataclass
class Proxy:
    """The running proxy."""

    endpoint: str
    """URL of the S3 server as clients see it."""

    breaks: Callable[[str, str], bool] = shard_reads
    """Which requests, by verb and path, have faults."""

    faults: list[Fault] = field(default_factory=list)
    """One for each of the next such requests; when none are left all goes well."""

    always: Fault = field(default_factory=Fault)
    """For every such request that has no fault of its own."""

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
            verb = verb_of(self.command, self.path)
            fault = Fault()
            with lock:
                if shard_reads(verb, self.path):
                    proxy.ranges.append(self.headers.get("Range", ""))
                if proxy.breaks(verb, self.path):
                    fault = proxy.faults.pop(0) if proxy.faults else proxy.always
            fault.meet(Request(verb, self, upstream))

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
