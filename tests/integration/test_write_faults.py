"""What writing survives: a real S3 server, with a proxy before it that breaks each kind of request.

After a fault the same checkpoints are there as without it; where it stays, one clear error comes,
and the last good checkpoint can be gone on from.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from advent_dist.data import store, upload
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import DataError, UnavailableError
from advent_dist.runs.checkpoints import steps_of
from shards.local_s3 import local_s3
from tests import checkpoint_parts
from tests.checkpoint_parts import latest
from tests.fault_proxy import (
    Answer,
    Close,
    Cut,
    Deaf,
    Fault,
    HalfHeard,
    Proxy,
    Refusal,
    Request,
    Short,
    Silence,
    Unheard,
    fault_proxy,
)
from tests.shard_helpers import data_config

PART_BYTES = 2**16
WEIGHTS = bytes(range(256)) * 1024
"""Four parts of an upload."""

MANY = [f"{number:04d}" for number in range(1100)]
"""More files than one answer lists."""

STALL_S = 2.5
"""Longer than the time limit of a request."""

FAULTS = {
    "500": Unheard(Refusal(500, "InternalError")),
    "503": Unheard(Refusal(503, "ServiceUnavailable")),
    "SlowDown": Unheard(Refusal(503, "SlowDown")),
    "expired": Unheard(Refusal(400, "ExpiredToken")),
    "reset": Unheard(Cut()),
    "stall": Unheard(Silence(STALL_S)),
    "half a request": HalfHeard(),
    "half an answer": Close(),
    "cut answer": Short(),
    "lost answer": Cut(),
    "500 though done": Refusal(500, "InternalError"),
}
VERBS = ("GET", "HEAD", "LIST", "PUT", "INITIATE", "PART", "COMPLETE", "DELETE")
BODILESS = ("HEAD", "PUT", "PART")
"""Their answers have no body that could be cut."""

CASES = [
    (verb, name)
    for verb in VERBS
    for name in FAULTS
    if verb not in BODILESS or "answer" not in name or name == "lost answer"
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The proxy before the server; one for all tests, since each client of another costs time."""
    root = tmp_path_factory.mktemp("buckets")
    (root / "bucket/many").mkdir(parents=True)
    for name in MANY:
        (root / "bucket/many" / name).touch()
    with (
        local_s3(root) as environment,
        fault_proxy(environment["AWS_ENDPOINT_URL"]) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.delenv("AWS_PROFILE", raising=False)
        for name, value in {**environment, "AWS_ENDPOINT_URL": running.endpoint}.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def proxy(server: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(store, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(upload, "PART_BYTES", PART_BYTES)
    server.breaks, server.always = lambda *_: False, Fault()
    yield server
    assert server.faults == []


@pytest.fixture
def checkpoints(proxy: Proxy, request: pytest.FixtureRequest) -> Folder:
    """The folder of a run's checkpoints, in which that of step 2 lies."""
    folder = open_folder(
        f"s3://bucket/{request.node.name}/checkpoints", data_config("", timeout_s=1.0, attempts=5)
    )
    checkpoint_parts.store(folder, 2, {"weights": WEIGHTS, "rank": b"2"})
    return folder


def save(folder: Folder, step: int, keep: int = 2) -> None:
    files = {"weights": WEIGHTS[::-1], "rank": str(step).encode()}
    checkpoint_parts.store(folder, step, files=files, keep=keep)


def break_at(proxy: Proxy, verb: str, faults: list[Fault]) -> None:
    proxy.breaks = lambda asked, _: asked == verb
    proxy.faults = faults


def unfinished(folder: Folder) -> list[str]:
    """Uploads in parts that nobody has ended."""
    prefix = folder.path.removeprefix("bucket/")
    found = folder.filesystem.call_s3("list_multipart_uploads", Bucket="bucket", Prefix=prefix)
    return [one["Key"].removeprefix(f"{prefix}/") for one in found.get("Uploads", [])]


@dataclass
class First(Fault):
    """A fault in the first requests of each verb, as long as some are left of it."""

    fault: Fault
    left: Counter[str]

    def meet(self, request: Request) -> None:
        breaks = self.left[request.verb] > 0
        self.left[request.verb] -= 1
        (self.fault if breaks else Fault()).meet(request)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_passes_changes_nothing(name: str, proxy: Proxy, checkpoints: Folder) -> None:
    verbs = [verb for verb in VERBS if (verb, name) in CASES]
    left = Counter(dict.fromkeys(verbs, 1 if name == "stall" else 2))
    proxy.breaks, proxy.always = (lambda *_: True), First(FAULTS[name], left)
    save(checkpoints, 4, keep=1)
    found = latest(checkpoints)
    assert checkpoints.modified("step_000004/run.json") > 0
    assert [verb for verb in verbs if left[verb] > 0] == []
    proxy.breaks = lambda *_: False
    assert found is not None
    assert found.pop("run.json")
    assert found == {"weights": WEIGHTS[::-1], "rank": b"4"}
    kept = [f"step_000004/{name}" for name in ("rank", "run.json", "weights")]
    assert checkpoints.walk() == kept
    # What was begun and not answered has no name; it goes with its folder.
    assert set(unfinished(checkpoints)) <= {"step_000004/weights"}
    checkpoints.inside("step_000004").delete()
    assert unfinished(checkpoints) == []


@pytest.mark.parametrize(
    ("verb", "name"),
    # Of a GET that is cut each time, the rest is asked for.
    [case for case in CASES if case[1] in ("500", "lost answer")]
    + [("LIST", "cut answer"), ("COMPLETE", "cut answer"), ("DELETE", "cut answer")],
)
def test_a_fault_that_stays_costs_no_checkpoint(
    verb: str, name: str, proxy: Proxy, checkpoints: Folder
) -> None:
    save(checkpoints, 4)
    break_at(proxy, verb, [])
    proxy.always = FAULTS[name]
    with pytest.raises(UnavailableError, match=r"^s3://bucket/.* (5 attempts|given up)"):
        _use(checkpoints)
    proxy.breaks = lambda *_: False
    found = latest(checkpoints)
    assert found is not None
    assert found["rank"] in (b"4", b"6")
    save(checkpoints, 8)
    assert steps_of(checkpoints)[0] == 8
    again = latest(checkpoints)
    assert again is not None
    assert again["rank"] == b"8"


def _use(checkpoints: Folder) -> None:
    checkpoints.modified("step_000004/run.json")
    save(checkpoints, 6, keep=1)
    latest(checkpoints)


@pytest.mark.parametrize("verb", ["PUT", "PART"])
def test_a_server_that_takes_nothing_is_given_up_after_the_time_limit(
    verb: str, proxy: Proxy, checkpoints: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 2**23  # more than the buffers of a connection
    monkeypatch.setattr(upload, "PART_BYTES", size)
    break_at(proxy, verb, [Deaf(3 * STALL_S)])
    file = Path(tempfile.gettempdir(), "large")
    file.write_bytes(bytes(size if verb == "PUT" else size + 1))
    checkpoints.upload("large", file)
    assert proxy.faults == []
    assert checkpoints.sizes()["large"] == file.stat().st_size


@dataclass
class KeyRefusal(Fault):
    """An answer that is fine, and in its body a key that was not deleted."""

    key: str
    code: str

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        error = f"<Error><Key>{self.key}</Key><Code>{self.code}</Code><Message>no</Message></Error>"
        body = f"<DeleteResult>{error}</DeleteResult>".encode()
        headers = {"Content-Type": "application/xml", "Content-Length": str(len(body))}
        super().send(Answer(200, headers, body), handler)


def test_keys_that_were_not_deleted_are_asked_for_again(proxy: Proxy, checkpoints: Folder) -> None:
    break_at(proxy, "DELETE", [Unheard(KeyRefusal("weights", "SlowDown"))])
    checkpoints.inside("step_000002").delete()
    assert proxy.faults == []
    assert checkpoints.walk() == []
    save(checkpoints, 2)
    proxy.always = Unheard(KeyRefusal("weights", "AccessDenied"))
    with pytest.raises(DataError, match=r"/step_000002: access denied"):
        checkpoints.inside("step_000002").delete()


def test_folders_of_several_pages(proxy: Proxy, checkpoints: Folder) -> None:
    """A thousand names are listed, or deleted, by one request."""
    folder = checkpoints.at("s3://bucket/many")
    for fault in (Close(), Short(), FAULTS["503"]):
        break_at(proxy, "LIST", [Fault(), fault])
        assert folder.list() == folder.walk() == MANY
        assert proxy.faults == []
    # More faults than there are attempts, but no page has as many.
    break_at(proxy, "LIST", [Close(), Short(), FAULTS["503"], Fault(), Close(), Short(), Close()])
    assert folder.walk() == MANY
    assert proxy.faults == []
    break_at(proxy, "DELETE", [Cut(), Fault(), Cut(), FAULTS["503"]])
    folder.delete()
    assert proxy.faults == []
    assert folder.walk() == []


def test_an_upload_that_fails_leaves_no_parts(proxy: Proxy, checkpoints: Folder) -> None:
    break_at(proxy, "COMPLETE", [])
    proxy.always = FAULTS["500"]
    with pytest.raises(UnavailableError, match=r"weights: .* 5 attempts"):
        save(checkpoints, 4)
    assert unfinished(checkpoints) == []


def test_parts_that_a_killed_process_left_go_with_their_folder(
    proxy: Proxy, checkpoints: Folder
) -> None:
    call = checkpoints.filesystem.call_s3
    for step in (2, 4):
        key = checkpoints.inside(f"step_00000{step}").path.removeprefix("bucket/") + "/weights"
        call("create_multipart_upload", Bucket="bucket", Key=key)
    checkpoints.inside("step_000002").delete()
    assert unfinished(checkpoints) == ["step_000004/weights"]
    save(checkpoints, 4)
    assert unfinished(checkpoints) == []


def test_an_upload_that_others_abort_is_one_message(proxy: Proxy, checkpoints: Folder) -> None:
    break_at(proxy, "COMPLETE", [])
    proxy.always = Unheard(Refusal(404, "NoSuchUpload"))
    with pytest.raises(UnavailableError, match=r"weights: given up: storage has ended its upload"):
        save(checkpoints, 4)
