"""Shards on a real S3 server."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
import torch

from advent_dist.config import DataConfig
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.data.loader import TrainingLoader
from advent_dist.data.store import open_folder, read_manifest
from advent_dist.errors import DataError
from advent_dist.types import DomainBatch
from shards.local_s3 import local_s3
from tests.shard_helpers import data_config, examples, write_shards


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment by which clients reach a server with two empty buckets."""
    root = tmp_path_factory.mktemp("buckets")
    (root / "shards").mkdir()
    (root / "my-bucket").mkdir()
    with local_s3(root) as environment:
        yield environment


@pytest.fixture(autouse=True)
def environment(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def test_round_trip_and_ranges():
    folder = open_folder("s3://shards/round/trip")
    assert folder.list() == []
    assert not folder.exists("a.bin")
    folder.write("a.bin", bytes(range(256)) * 40)
    assert folder.list() == ["a.bin"]
    assert folder.exists("a.bin")
    assert folder.read("a.bin") == bytes(range(256)) * 40
    assert folder.read_range("a.bin", 256, 266) == bytes(range(10))
    folder.write("a.bin", b"new")
    assert folder.read("a.bin") == b"new"


def test_a_folder_is_deleted_with_all_in_it_or_is_not_there_anyway():
    folder = open_folder("s3://shards/to_delete")
    folder.inside("a/b").write("x.bin", b"1")
    folder.delete()
    assert folder.folders() == folder.list() == []
    folder.delete()
    with pytest.raises(DataError, match="there is no bucket 'nowhere'"):
        open_folder("s3://nowhere/folder").delete()


def test_a_range_beyond_the_end_is_refused():
    folder = open_folder("s3://shards/short")
    folder.write("a.bin", b"0123456789")
    with pytest.raises(DataError, match=r"s3://shards/short/a.bin: bytes 5-20 .* cut short"):
        folder.read_range("a.bin", 5, 20)


def test_missing_object_and_missing_bucket():
    with pytest.raises(DataError, match=r"s3://my-bucket/none/a: there is no such object"):
        open_folder("s3://my-bucket/none").read("a")
    with pytest.raises(DataError, match=r"s3://my-bucket/none/a: there is no such object"):
        open_folder("s3://my-bucket/none").read_range("a", 0, 5)
    assert open_folder("s3://my-bucket/none").list() == []
    with pytest.raises(DataError, match=r"s3://shards/none/manifest.json: there is no such object"):
        read_manifest("s3://shards/none")
    with pytest.raises(DataError, match=r"no bucket 'nowhere' at http://127.* data.root"):
        read_manifest("s3://nowhere/folder")
    empty, nowhere = open_folder("s3://my-bucket/none"), open_folder("s3://nowhere/folder")
    for name in ("list", "folders", "walk", "sizes", "stamps"):
        assert not getattr(empty, name)()
        with pytest.raises(DataError, match="no bucket 'nowhere'"):
            getattr(nowhere, name)()
    with pytest.raises(DataError, match="no bucket 'nowhere'"):
        open_folder("s3://nowhere/folder").read_range("a.bin", 0, 5)
    with pytest.raises(DataError, match="no bucket 'nowhere'"):
        open_folder("s3://nowhere/folder").write("a.bin", b"1")


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_named_but_not_shown(name, server, monkeypatch):
    monkeypatch.setenv(name, "wrong-value-1a2b3c")
    with pytest.raises(DataError, match=r"access denied.*AWS_SECRET_ACCESS_KEY") as caught:
        read_manifest("s3://shards/folder")
    text = "".join(traceback.format_exception(caught.value))
    assert "wrong-value-1a2b3c" not in text
    assert server["AWS_SECRET_ACCESS_KEY"] not in text


def test_no_credentials(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(DataError, match=r"no credentials; set AWS_ACCESS_KEY_ID.*data.anonymous"):
        read_manifest("s3://shards/folder")


def test_no_server(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    data = data_config("s3://shards", attempts=2)
    with pytest.raises(DataError, match=f"no connection at {endpoint}.* after 2 attempts"):
        read_manifest("s3://shards/folder", data)


def test_a_stalled_server_is_given_up_after_the_timeout(monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        data = data_config("s3://shards", attempts=2, timeout_s=0.2)
        with pytest.raises(DataError, match=r"no connection .* after 2 attempts .*data.timeout_s"):
            read_manifest("s3://shards/folder", data)


def test_reads_go_on_when_the_server_comes_back(server, monkeypatch):
    open_folder("s3://shards").write("a.bin", b"here")
    host, port = server["AWS_ENDPOINT_URL"].removeprefix("http://").split(":")
    door = socket.create_server((host, 0))
    address = door.getsockname()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{address[1]}")
    folder = open_folder("s3://shards", data_config("s3://shards", attempts=9))
    with ThreadPoolExecutor() as threads:
        with _relay(door, (host, int(port))):
            assert folder.read("a.bin") == b"here"
        read = threads.submit(folder.read, "a.bin")
        time.sleep(0.2)
        assert not read.done(), "the server is away"
        with _relay(socket.create_server(address), (host, int(port))):
            assert read.result() == b"here"


@contextmanager
def _relay(door: socket.socket, server: tuple[str, int]) -> Iterator[None]:
    """Pass what comes in at `door` on to `server`; at the end all its connections break."""
    ends: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):  # `door` was closed
            while True:
                ends.extend((door.accept()[0], socket.create_connection(server)))
                for one, other in (ends[-2:], ends[:-3:-1]):
                    threading.Thread(target=copy, args=(one, other), daemon=True).start()

    def copy(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        for end in (door, *ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        thread.join()


def test_an_impossible_bucket_name_is_named():
    with pytest.raises(DataError, match="'No_Bucket!' is not a bucket's name"):
        read_manifest("s3://No_Bucket!/folder")


@pytest.mark.parametrize("workers", [0, 2])
def test_training_and_evaluation_equal_those_from_a_local_folder(workers, tmp_path):
    for root in (str(tmp_path), "s3://shards/run"):
        write_shards(f"{root}/source", examples(9, prefix="a"))
        write_shards(f"{root}/target", examples(7, prefix="b"), labelled=False)
    local = data_config(tmp_path, evaluation="source", workers_per_rank=workers)
    remote = data_config("s3://shards/run", evaluation="source", workers_per_rank=workers)
    for here, there in zip(_epoch(local), _epoch(remote), strict=True):
        assert here.source_keys == there.source_keys
        assert here.target_keys == there.target_keys
        assert torch.equal(here.source_image, there.source_image)
        assert torch.equal(here.source_label, there.source_label)
        assert torch.equal(here.target_image, there.target_image)
    keys = [
        [
            key
            for batch in EvaluationLoader(data, "source", rank=0, world_size=1)
            for key in batch.keys
        ]
        for data in (local, remote)
    ]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 9


def _epoch(data: DataConfig) -> list[DomainBatch]:
    loader = TrainingLoader(data, rank=0, world_size=1, seed=3)
    batches = [next(loader) for _ in range(5)]
    loader.close()
    return batches
