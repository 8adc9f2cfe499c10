"""What reading survives: a real S3 server, with a proxy before it that breaks answers.

After each fault the same samples follow as without it, or one clear error does; never a hang.
"""

from __future__ import annotations

import itertools
import logging
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import psutil
import pytest
import torch

from advent_dist.config import DataConfig
from advent_dist.data.cache import BlockCache
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.data.loader import TrainingLoader
from advent_dist.data.store import Folder, open_folder
from advent_dist.data.traffic import CACHE_ERRORS, REQUESTS, RETRIES, SKIPPED
from advent_dist.errors import DamageError, DataError
from advent_dist.types import DomainBatch
from shards.local_s3 import local_s3
from tests.fault_proxy import (
    Answer,
    Close,
    ExpiredKey,
    Fault,
    Flip,
    Proxy,
    Refusal,
    Reset,
    Short,
    Stall,
    Unended,
    Whole,
    fault_proxy,
)
from tests.shard_helpers import data_config, examples, write_shards
from tests.waiting import wait_until

ROOT = "s3://shards/faults"
BATCHES = 9
WITHIN_S = 60.0
"""Longer than any test's attempts, timeouts and pauses together."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    root = tmp_path_factory.mktemp("buckets")
    (root / "shards").mkdir()
    with local_s3(root) as environment:
        yield environment


@pytest.fixture
def proxy(server: dict[str, str], whole: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The proxy before ROOT."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with fault_proxy(server["AWS_ENDPOINT_URL"]) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
        yield running


@pytest.fixture(scope="module")
def whole(server: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local copy of the shards at ROOT, 18 samples a domain."""
    root = tmp_path_factory.mktemp("whole")
    write_shards(f"{root}/source", examples(18, prefix="a"))
    write_shards(f"{root}/target", examples(18, prefix="b"), labelled=False)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.items():
            patch.setenv(name, value)
        for path in root.rglob("*.*"):
            folder = open_folder(f"{ROOT}/{path.parent.name}")
            folder.write(path.name, path.read_bytes())
    return root


@pytest.fixture
def source(proxy: Proxy, whole: Path) -> Iterator[Folder]:
    """The source's shards, to be damaged: they are mended after the test."""
    folder = open_folder(f"{ROOT}/source")
    yield folder
    for path in (whole / "source").iterdir():
        folder.write(path.name, path.read_bytes())


@pytest.fixture(scope="module")
def expected(whole: Path) -> dict[int, list[DomainBatch]]:
    """Number of workers -> the batches without a fault."""
    return {
        workers: take(data_config(whole, evaluation="source", workers_per_rank=workers))[0]
        for workers in (0, 1, 2)
    }


def config(**changes: object) -> DataConfig:
    return data_config(ROOT, evaluation="source", **{"timeout_s": 1.0, "attempts": 5, **changes})


def take(data: DataConfig, batches: int = BATCHES) -> tuple[list[DomainBatch], dict[str, int]]:
    """The first batches of a run, and what reading them took; fails where it takes too long."""
    start = time.monotonic()
    loader = TrainingLoader(data, rank=0, world_size=1, seed=3)
    try:
        taken = [next(loader) for _ in range(batches)]
    finally:
        loader.close()
        assert time.monotonic() - start < WITHIN_S
    return taken, sum(loader.take_traffic().values(), Counter())


def assert_same(found: list[DomainBatch], expected: list[DomainBatch]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.source_keys == other.source_keys
        assert one.target_keys == other.target_keys
        assert torch.equal(one.source_image, other.source_image)
        assert torch.equal(one.source_label, other.source_label)
        assert torch.equal(one.target_image, other.target_image)


@pytest.mark.parametrize(
    "fault",
    [
        Refusal(500, "InternalError"),
        Refusal(503, "ServiceUnavailable"),
        Refusal(503, "SlowDown"),
        Reset(),
        Close(),
        Stall(3.0),
        Short(),
        Flip(),
    ],
    ids=lambda fault: getattr(fault, "code", type(fault).__name__),
)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_burst_of_faults_changes_no_sample(fault: Fault, workers: int, proxy: Proxy, expected):
    # A flip is no fault to storage: the block is read once more, and must be whole then.
    proxy.faults = [fault] * (1 if isinstance(fault, Flip) else 4)
    found, traffic = take(config(workers_per_rank=workers))
    assert_same(found, expected[workers])
    assert proxy.faults == []
    assert traffic[RETRIES] >= (0 if isinstance(fault, Flip) else 4)
    assert traffic[SKIPPED] == 0


@pytest.mark.parametrize("fault", [Reset(), Close(), Stall(3.0), Short()])
def test_a_retry_goes_on_from_the_byte_it_reached(fault: Fault, proxy: Proxy):
    folder = open_folder(ROOT, config())
    folder.write("long.tar", bytes(range(256)) * 4096)
    proxy.faults = [fault, fault]
    assert folder.read_range("long.tar", 1000, 900_000) == (bytes(range(256)) * 4096)[1000:900_000]
    starts = [int(asked.removeprefix("bytes=").split("-")[0]) for asked in proxy.ranges[-3:]]
    assert starts[0] == 1000
    assert starts[0] < starts[1] < starts[2]


@pytest.mark.parametrize("faults", [[Unended(3.0)], [Close(), Unended(3.0)]])
def test_a_download_ends_with_its_last_byte(faults: list[Fault], proxy: Proxy):
    data = bytes(range(256)) * 4096
    folder = open_folder(ROOT, config())
    folder.write("unended.tar", data)
    proxy.faults = list(faults)
    assert folder.read_range("unended.tar", 1000, 900_000) == data[1000:900_000]
    proxy.faults = [Close(), *faults]
    assert folder.read("unended.tar") == data


class Replaced(Close):
    """Half of the body, then the end of the connection; meanwhile the file becomes another one."""

    def __init__(self, folder: Folder, name: str, data: bytes) -> None:
        self._replace = lambda: folder.write(name, data)

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        self._replace()
        super().send(answer, handler)


@pytest.mark.parametrize("size", [900_000, 1_048_576, 1_200_000])
def test_two_versions_of_a_file_are_never_mixed(size: int, proxy: Proxy):
    folder = open_folder(ROOT, config())
    old, new = bytes(1_048_576), b"n" * size
    folder.write("replaced.tar", old)
    proxy.faults = [Replaced(folder, "replaced.tar", new)]
    assert folder.read("replaced.tar") == new
    folder.write("replaced.tar", old)
    proxy.faults = [Close(), Replaced(folder, "replaced.tar", new), Close()]
    assert folder.read("replaced.tar") == new
    folder.write("replaced.tar", old)
    proxy.faults = [Replaced(folder, "replaced.tar", new)]
    assert folder.read_range("replaced.tar", 1000, 800_000) == new[1000:800_000]


def test_a_server_that_says_that_a_file_was_replaced_is_asked_for_all_of_it(proxy: Proxy):
    """The answer to If-Match, which the server of these tests does not look at."""
    folder = open_folder(ROOT, config())
    folder.write("matched.tar", bytes(range(256)) * 4096)
    proxy.faults = [Close(), Refusal(412, "PreconditionFailed")]
    assert folder.read("matched.tar") == bytes(range(256)) * 4096
    starts = proxy.ranges[-3:]
    assert (starts[0], starts[2]) == ("bytes=0-", "bytes=0-")
    assert starts[1].startswith("bytes=")
    assert starts[1] != "bytes=0-"


def test_an_answer_from_another_byte_than_asked_is_not_used(proxy: Proxy):
    folder = open_folder(ROOT, config())
    folder.write("other.tar", bytes(range(256)) * 16)
    proxy.faults = [Whole()]
    assert folder.read_range("other.tar", 256, 300) == bytes(range(44))


@pytest.mark.parametrize("fault", [Refusal(503, "SlowDown"), Stall(3.0), Reset()])
def test_a_fault_that_stays_ends_in_one_error(fault: Fault, proxy: Proxy):
    proxy.always = fault
    with pytest.raises(DataError, match=rf"^{ROOT}/.*\.tar: .* (2|3) attempts") as caught:
        take(config(attempts=3, timeout_s=0.5))
    assert not isinstance(caught.value, DamageError)


def test_credentials_that_expire_are_read_again(
    proxy: Proxy, expected, server, tmp_path, monkeypatch
):
    file = tmp_path / "credentials"

    def renew(key: str, secret: str) -> None:
        text = f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        file.with_suffix(".new").write_text(text)
        file.with_suffix(".new").rename(file)

    good = server["AWS_ACCESS_KEY_ID"], server["AWS_SECRET_ACCESS_KEY"]
    renew(*good)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    folder = open_folder(f"{ROOT}/source", config())
    renew("expired1expired1", "x" * 40)
    proxy.always = ExpiredKey("expired1expired1")
    timer = threading.Timer(1.0, renew, good)
    timer.start()
    read = folder.read_range("shard-00000.tar", 0, 512)
    timer.join()
    proxy.always = Fault()
    assert read == folder.read_range("shard-00000.tar", 0, 512)
    assert_same(take(config())[0], expected[0])


def test_credentials_that_stay_expired_are_said_to_be(proxy: Proxy, server):
    proxy.always = ExpiredKey(server["AWS_ACCESS_KEY_ID"])
    with pytest.raises(DataError, match="the credentials have expired") as caught:
        take(config(attempts=2))
    assert server["AWS_ACCESS_KEY_ID"] not in str(caught.value)


def _delete(source: Folder, name: str) -> None:
    source.remove(name)


def _replace(source: Folder, name: str) -> None:
    write_shards(f"{ROOT}/other", examples(18, size=(32, 16), prefix="x"))
    source.write(name, open_folder(f"{ROOT}/other").read(name))


def _cut(source: Folder, name: str) -> None:
    source.write(name, source.read(name)[:1500])


def _flip(position: str) -> Callable[[Folder, str], None]:
    """Damages the shard's first image, first label or first tar header."""

    def damage(source: Folder, name: str) -> None:
        data = bytearray(source.read(name))
        place = {"header": 100, "image": 700, "label": data.index(b"label.png") + 600}[position]
        data[place] ^= 1
        source.write(name, bytes(data))

    return damage


DAMAGES = {
    "deleted": _delete,
    "replaced": _replace,
    "truncated": _cut,
    "flipped in an image": _flip("image"),
    "flipped in a label": _flip("label"),
    "flipped in a tar header": _flip("header"),
}


@pytest.mark.parametrize(("how", "workers"), [*((how, 0) for how in DAMAGES), ("deleted", 2)])
def test_damage_is_skipped_and_counted(how: str, workers: int, source: Folder, expected):
    DAMAGES[how](source, "shard-00002.tar")
    data = config(workers_per_rank=workers, max_damaged_fraction=1.0)
    found, traffic = take(data)
    before = [key for batch in expected[workers] for key in batch.source_keys]
    after = [key for batch in found for key in batch.source_keys]
    changed = [old for old, new in zip(before, after, strict=True) if old != new]
    assert 0 < len(changed) == traffic[SKIPPED]
    assert all("a0012" <= key <= "a0017" for key in changed), "the third shard's, and no others"
    again, _ = take(data)
    assert_same(again, found)


@pytest.mark.parametrize("how", DAMAGES)
def test_more_damage_than_allowed_is_one_clear_error(how: str, source: Folder):
    DAMAGES[how](source, "shard-00002.tar")
    with pytest.raises(DamageError, match=r"shard-00002.tar.*data.max_damaged_fraction = 0.001"):
        take(config())
    with pytest.raises(DamageError, match=r"shard-00002.tar.*data.damaged = 'fail'"):
        take(config(damaged="fail", max_damaged_fraction=1.0))
    with pytest.raises(DamageError, match=r"shard-00002.tar.*data.evaluation_damaged = 'fail'"):
        list(EvaluationLoader(config(), "source", rank=0, world_size=1))


def test_evaluation_leaves_damaged_samples_out_where_asked(source: Folder):
    DAMAGES["flipped in a label"](source, "shard-00002.tar")
    data = config(evaluation_damaged="skip", max_damaged_fraction=0.5, workers_per_rank=1)
    loader = EvaluationLoader(data, "source", rank=0, world_size=1)
    for _ in range(2):  # the same readers count anew
        keys = [key for batch in loader for key in batch.keys]
        assert loader.skipped > 0
        assert len(keys) + loader.skipped == 18
        assert len(set(keys)) == len(keys)
    loader.close()


def test_a_shard_replaced_while_training_is_noticed(source: Folder):
    loader = TrainingLoader(config(), rank=0, world_size=1, seed=3)
    next(loader)
    _replace(source, "shard-00001.tar")
    _replace(source, "shard-00002.tar")
    with pytest.raises(DamageError, match=r"shard-0000[12].tar.* are damaged"):
        list(itertools.islice(loader, 3 * BATCHES))
    loader.close()


def assert_nothing_unfinished(cache: Path) -> None:
    """torch ends a reader that is slow to end, maybe in the middle of a block, and does not wait
    for its end: the next job takes away what it left."""

    def taken_away() -> bool:
        BlockCache(str(cache), int(1e9))
        return not list((cache / "incoming").iterdir())

    wait_until(taken_away, within_s=WITHIN_S)


def test_a_reader_killed_in_mid_download_is_replaced(proxy: Proxy, expected, tmp_path):
    before = set(psutil.Process().children(recursive=True))
    proxy.faults = [Stall(2.0)] * 2
    data = config(workers_per_rank=1, timeout_s=10.0, cache_dir=str(tmp_path / "cache"))
    loader = TrainingLoader(data, rank=0, world_size=1, seed=3)
    loader.start()
    with ThreadPoolExecutor(1) as trainer:
        first = trainer.submit(next, loader)
        wait_until(lambda: len(proxy.faults) < 2, within_s=WITHIN_S)
        for process in set(psutil.Process().children(recursive=True)) - before:
            os.kill(process.pid, signal.SIGKILL)
        start = time.monotonic()
    found = [first.result(), *(next(loader) for _ in range(BATCHES - 1))]
    loader.close()
    assert time.monotonic() - start < WITHIN_S
    assert_same(found, expected[1])
    assert_nothing_unfinished(tmp_path / "cache")
    assert_others_can_log()


def test_a_death_between_two_batches_disturbs_no_step(proxy: Proxy, expected):
    before = set(psutil.Process().children(recursive=True))
    loader = TrainingLoader(config(workers_per_rank=1), rank=0, world_size=1, seed=3)
    found = [next(loader)]
    readers = set(psutil.Process().children(recursive=True)) - before
    assert len(readers) >= 2
    for process in readers:
        process.send_signal(signal.SIGKILL)
    time.sleep(0.2)  # a step: nothing may be raised in here
    found += [next(loader) for _ in range(BATCHES - 1)]
    loader.close()
    assert_same(found, expected[1])
    assert_others_can_log()


def assert_others_can_log() -> None:
    """A handler that raises in the middle of a fork would leave the lock of `logging` taken."""
    asks = threading.Thread(
        target=logging.getLogger(os.urandom(8).hex()).isEnabledFor, args=(logging.DEBUG,)
    )
    asks.start()
    asks.join(5)
    assert not asks.is_alive()


def test_the_second_epoch_comes_from_the_cache(proxy: Proxy, expected, tmp_path):
    data = config(cache_dir=str(tmp_path / "cache"))
    _, cold = take(data)
    assert cold[REQUESTS] > 0
    found, warm = take(data)
    assert warm[REQUESTS] == 0
    assert_same(found, expected[0])


def test_a_cache_damaged_on_disk_is_downloaded_anew(proxy: Proxy, expected, tmp_path):
    data = config(cache_dir=str(tmp_path / "cache"))
    take(data)
    for block in (tmp_path / "cache").rglob("??/*"):
        block.write_bytes(b"x" + block.read_bytes()[1:])
    found, traffic = take(data)
    assert_same(found, expected[0])
    assert traffic[REQUESTS] > 0


def test_two_jobs_share_one_cache(proxy: Proxy, expected, tmp_path):
    """At the same time, each with reader processes of its own."""
    data = config(workers_per_rank=1, cache_dir=str(tmp_path / "cache"))
    loaders = [TrainingLoader(data, rank=0, world_size=1, seed=3) for _ in range(2)]
    taken: list[list[DomainBatch]] = [[], []]
    for _ in range(BATCHES):
        for batches, loader in zip(taken, loaders, strict=True):
            batches.append(next(loader))
    for batches, loader in zip(taken, loaders, strict=True):
        loader.close()
        assert_same(batches, expected[1])
    assert_nothing_unfinished(tmp_path / "cache")


def test_a_full_cache_disk_costs_speed_only(proxy: Proxy, expected, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        found, traffic = take(config(cache_dir=str(disk)))
        assert_same(found, expected[0])
        assert traffic[CACHE_ERRORS] > 0
    finally:
        subprocess.run(["umount", str(disk)], check=True)
