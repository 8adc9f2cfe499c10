"""The disk cache: size, order of eviction, damage, kills, several processes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from advent_dist.data.cache import BlockCache
from advent_dist.data.fetch import BlockSource
from advent_dist.data.manifest import Manifest
from advent_dist.data.store import open_folder
from advent_dist.data.traffic import CACHE_ERRORS, CACHE_HITS, CACHE_MISSES, Tally
from advent_dist.errors import DataError
from tests.shard_helpers import examples, write_shards

BYTES = 10_000


def block(number: int) -> tuple[str, bytes]:
    """The digest and the bytes of a block."""
    data = bytes([number]) * BYTES
    return hashlib.sha256(data).hexdigest(), data


def test_a_cache_may_lie_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    BlockCache("~/cache", 10 * BYTES)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def put(cache: BlockCache, *numbers: int) -> None:
    for number in numbers:
        cache.put(*block(number))


def kept(cache: BlockCache, numbers: range) -> list[int]:
    return [number for number in numbers if cache.get(block(number)[0]) is not None]


def size_on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("??/*"))


def test_what_was_put_comes_back(tmp_path):
    cache = BlockCache(str(tmp_path), 10 * BYTES)
    assert kept(cache, range(3)) == []
    put(cache, 0, 1)
    digest, data = block(1)
    assert cache.get(digest) == data
    assert kept(BlockCache(str(tmp_path), 10 * BYTES), range(3)) == [0, 1]


def test_the_least_recently_used_gives_way(tmp_path):
    cache = BlockCache(str(tmp_path), 4 * BYTES)
    for number in range(4):
        put(cache, number)
        time.sleep(0.01)
    assert kept(cache, range(1)) == [0]  # used just now
    put(cache, 4)
    assert size_on_disk(tmp_path) <= 4 * BYTES
    left = kept(cache, range(5))
    assert {0, 4} <= set(left)
    assert 1 not in left


def test_the_size_is_never_exceeded(tmp_path):
    cache = BlockCache(str(tmp_path), 3 * BYTES + 1)
    for number in range(20):
        put(cache, number)
        assert size_on_disk(tmp_path) <= 3 * BYTES + 1


def test_a_block_larger_than_the_cache_is_not_kept(tmp_path):
    cache = BlockCache(str(tmp_path), BYTES - 1)
    put(cache, 0)
    assert kept(cache, range(1)) == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"x" + data[1:]])
def test_a_block_damaged_on_the_disk_is_read_anew(damage, tmp_path):
    cache = BlockCache(str(tmp_path), 2 * BYTES)
    put(cache, 0)
    (path,) = tmp_path.rglob("??/*")
    path.write_bytes(damage(path.read_bytes()))
    assert kept(cache, range(1)) == []
    assert not path.exists()
    put(cache, 0, 1)
    assert kept(cache, range(2)) == [0, 1]


def of_the_same_crc32(data: bytes, crc32: int) -> bytes:
    """`data` with its last four bytes chosen so that it has that crc32: what anybody can do."""
    start = zlib.crc32(data[:-4])
    # The checksum is linear in the bits over GF(2).
    zero = zlib.crc32(bytes(4), start)
    columns = [
        (zlib.crc32((1 << bit).to_bytes(4, "little"), start) ^ zero, 1 << bit) for bit in range(32)
    ]
    wanted, chosen = crc32 ^ zero, 0
    for top in reversed(range(32)):
        pivot = next(one for one in columns if one[0] >> top & 1)
        columns = [
            (value ^ pivot[0], bits ^ pivot[1]) if value >> top & 1 else (value, bits)
            for value, bits in columns
            if (value, bits) != pivot
        ]
        if wanted >> top & 1:
            wanted, chosen = wanted ^ pivot[0], chosen ^ pivot[1]
    return data[:-4] + chosen.to_bytes(4, "little")


def test_a_manifest_puts_nothing_in_the_place_of_another_ones(tmp_path: Path) -> None:
    """It says the same of its shard as the honest one does, and has other bytes of that crc32."""
    honest = write_shards(f"{tmp_path}/honest", examples(2))
    (shard,) = honest.shards
    data = (tmp_path / "honest" / shard.name).read_bytes()
    (first, *others), end = shard.blocks, shard.blocks[0].num_bytes
    forged = of_the_same_crc32(bytes([7]) * end, first.crc32)
    assert zlib.crc32(forged) == first.crc32
    (tmp_path / "forged").mkdir()
    (tmp_path / "forged" / shard.name).write_bytes(forged + data[end:])
    cache = BlockCache(str(tmp_path / "cache"), 10**9)
    strange = BlockSource(open_folder(f"{tmp_path}/forged"), honest, cache, Tally())
    assert strange.read(0) == forged, "the crc32 tells damage only"
    source = BlockSource(open_folder(f"{tmp_path}/honest"), honest, cache, Tally())
    for _ in range(2):
        assert source.read(0) == data[:end]
    for place in range(len(others)):
        assert source.read(1 + place) == strange.read(1 + place)


def test_shards_of_old_are_read_past_the_cache_which_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = write_shards(f"{tmp_path}/shards", examples(2))
    raw = json.loads(manifest.to_json())
    del raw["shards"][0]["blocks"][0]["sha256"]
    old = Manifest.from_json(json.dumps(raw), "manifest.json")
    assert [block.sha256 for shard in old.shards for block in shard.blocks] == [None]
    tally, cache = Tally(), BlockCache(str(tmp_path / "cache"), 10**9)
    source = BlockSource(open_folder(f"{tmp_path}/shards"), old, cache, tally)
    assert source.read(0) == source.read(0)
    assert tally.take()[CACHE_MISSES] == 0
    assert size_on_disk(tmp_path / "cache") == 0
    assert "data.cache_dir is not used for" in caplog.text


def test_blocks_of_earlier_versions_give_way(tmp_path: Path) -> None:
    old = tmp_path / "ab" / f"{'ab' * 32}-4096"
    old.parent.mkdir()
    old.write_bytes(bytes(BYTES))
    os.utime(old, (0, 0))
    (tmp_path / "size").write_text(str(BYTES))
    cache = BlockCache(str(tmp_path), 3 * BYTES)
    put(cache, 0, 1, 2)
    assert not old.exists()
    assert size_on_disk(tmp_path) <= 3 * BYTES


@pytest.mark.parametrize(("name", "text"), [("size", "12 GB"), (f"ab/{'ab' * 32}", "mine")])
def test_a_folder_of_somebody_else_is_no_cache(tmp_path: Path, name: str, text: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text(text)
    with pytest.raises(DataError, match=r"data\.cache_dir = .* is no cache of advent-dist"):
        BlockCache(str(tmp_path), 3 * BYTES)
    assert mine.read_text() == text


def _fill(folder: str, start: int) -> None:
    cache = BlockCache(folder, 12 * BYTES)
    for number in range(start, start + 40):
        put(cache, number)
        cache.get(block(number - 3)[0])


def test_two_jobs_share_one_cache(tmp_path):
    context = multiprocessing.get_context("fork")
    jobs = [context.Process(target=_fill, args=(str(tmp_path), start)) for start in (10, 30)]
    BlockCache(str(tmp_path), 12 * BYTES)
    for job in jobs:
        job.start()
    while any(job.is_alive() for job in jobs):
        with open(tmp_path / "size", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert size_on_disk(tmp_path) <= 12 * BYTES
    for job in jobs:
        job.join()
        assert job.exitcode == 0
    cache = BlockCache(str(tmp_path), 12 * BYTES)
    for number in kept(cache, range(70)):
        assert cache.get(block(number)[0]) == block(number)[1]
    assert int((tmp_path / "size").read_text()) == size_on_disk(tmp_path) > 0


def _write_for_ever(folder: str) -> None:
    cache = BlockCache(folder, 5 * BYTES)
    while True:
        put(cache, *range(30))


def test_a_kill_leaves_nothing_behind(tmp_path):
    for _ in range(5):
        job = multiprocessing.get_context("fork").Process(
            target=_write_for_ever, args=(str(tmp_path),)
        )
        job.start()
        time.sleep(0.15)
        assert job.pid is not None
        os.kill(job.pid, signal.SIGKILL)
        job.join()
        cache = BlockCache(str(tmp_path), 5 * BYTES)
        assert list((tmp_path / "incoming").iterdir()) == []
        assert int((tmp_path / "size").read_text()) == size_on_disk(tmp_path) <= 5 * BYTES
        for number in kept(cache, range(30)):
            assert cache.get(block(number)[0]) == block(number)[1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_counted_and_reading_goes_on(small_disk, tmp_path, caplog):
    manifest = write_shards(f"{tmp_path}/shards", examples(12, size=(64, 64)), per_block=1)
    tally = Tally()
    cache = BlockCache(str(small_disk), 10**9)
    source = BlockSource(open_folder(f"{tmp_path}/shards"), manifest, cache, tally)
    plain = BlockSource(open_folder(f"{tmp_path}/shards"), manifest, None, Tally())
    for _ in range(2):
        for place in range(len(source.sizes)):
            assert bytes(source.read(place)) == bytes(plain.read(place))
    counts = tally.take()
    assert counts[CACHE_HITS] > 0
    assert counts[CACHE_ERRORS] == counts[CACHE_MISSES] - counts[CACHE_HITS] > 0
    assert caplog.text.count("data.cache_dir: ") == 1
    assert list((small_disk / "incoming").iterdir()) == []


def test_a_lost_size_is_counted_again(tmp_path):
    """A kill, or a full disk, between emptying the file and writing it."""
    cache = BlockCache(str(tmp_path), 3 * BYTES)
    put(cache, 0, 1, 2)
    (tmp_path / "size").write_text("")
    put(cache, 3, 4)
    assert size_on_disk(tmp_path) <= 3 * BYTES


def test_a_cache_that_can_not_be_read_costs_speed_only(tmp_path):
    manifest = write_shards(f"{tmp_path}/shards", examples(2))
    tally, cache = Tally(), BlockCache(str(tmp_path / "cache"), 10**9)
    source = BlockSource(open_folder(f"{tmp_path}/shards"), manifest, cache, tally)
    first = bytes(source.read(0))
    (kept_block,) = (tmp_path / "cache").rglob("??/*")
    kept_block.unlink()
    kept_block.mkdir()  # whatever a read error is
    assert bytes(source.read(0)) == first
    assert tally.take()[CACHE_ERRORS] > 0


def test_a_shard_that_changed_is_another_block(tmp_path):
    shards, folder = tmp_path / "shards", open_folder(f"{tmp_path}/shards")
    cache = BlockCache(str(tmp_path / "cache"), 10**9)
    read = []
    for prefix in ("a", "b"):
        manifest = write_shards(str(shards), examples(2, prefix=prefix))
        read.append(bytes(BlockSource(folder, manifest, cache, Tally()).read(0)))
    assert read[0] != read[1]


def test_files_of_somebody_else_in_the_folder_stay(tmp_path: Path) -> None:
    """A folder that is full of them is no cache, whatever a config says."""
    mine = [
        tmp_path / "photographs" / "1.jpg",
        tmp_path / "ab" / "thesis.pdf",
        tmp_path / "incoming" / "letter.txt",
    ]
    for path in mine:
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(1000))
    cache = BlockCache(str(tmp_path), BYTES)
    put(cache, 0, 1, 2)
    assert kept(cache, range(3)) == [2]
    assert all(path.exists() for path in mine)
