"""Reading blocks of real shards, and noticing damage."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from advent_dist.data.assign import Order, Portion, in_file_order
from advent_dist.data.blocks import BlockReader, DamagedSample, EncodedSample
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.data.damage import DamageLimit
from advent_dist.data.fetch import BlockSource
from advent_dist.data.pipeline import Decoder
from advent_dist.data.sample import decode_image, decode_label
from advent_dist.data.store import open_folder
from advent_dist.data.traffic import Tally
from advent_dist.errors import DamageError, DataError
from tests.shard_helpers import examples, write_shards

SAMPLES = examples(9)


def open_reader(folder, manifest, *, labelled: bool = True) -> BlockReader:
    source = BlockSource(open_folder(str(folder)), manifest, None, Tally())
    return BlockReader(source, labelled=labelled)


def whole(samples: Iterator[EncodedSample | DamagedSample]) -> list[EncodedSample]:
    """The samples; raises what is wrong with the first damaged one."""
    read = []
    for sample in samples:
        if isinstance(sample, DamagedSample):
            raise DamageError(sample.why)
        read.append(sample)
    return read


def reader(folder, *, labelled: bool = True, **options) -> BlockReader:
    manifest = write_shards(str(folder), SAMPLES, per_shard=4, per_block=3, **options)
    return open_reader(folder, manifest, labelled=labelled)


def test_garbage_collection_waits_for_no_thread(tmp_path, monkeypatch):
    """It may run in the start of a thread, under the lock that a wait for threads takes."""
    blocks = reader(tmp_path)
    goes_on, parse = threading.Event(), BlockReader._parse

    def slow(one: BlockReader, place: int) -> object:
        if place > 1:
            goes_on.wait(60)
        return parse(one, place)

    monkeypatch.setattr(BlockReader, "_parse", slow)
    samples = blocks.samples(Portion(0, ((place, 0),)) for place in range(5))
    next(samples)
    next(samples)  # the third block is being fetched
    circle: list[object] = [samples]
    circle.append(circle)
    del samples, circle
    collecting = threading.Thread(target=gc.collect, daemon=True)
    collecting.start()
    collecting.join(20)
    ended = not collecting.is_alive()
    goes_on.set()
    assert ended


def test_who_closes_it_finds_no_thread_of_it_at_work(tmp_path, monkeypatch):
    blocks, parsed, parse = reader(tmp_path), [], BlockReader._parse

    def slow(one: BlockReader, place: int) -> object:
        time.sleep(0.2)
        parsed.append(place)
        return parse(one, place)

    monkeypatch.setattr(BlockReader, "_parse", slow)
    samples = blocks.samples(Portion(0, ((place, 0),)) for place in range(5))
    next(samples)
    samples.close()
    before = len(parsed)
    time.sleep(0.5)
    assert len(parsed) == before


def test_file_order_gives_all_samples_as_written(tmp_path):
    blocks = reader(tmp_path)
    assert blocks.sizes == (3, 1, 3, 1, 1)
    read = whole(blocks.samples(in_file_order(blocks.sizes, range(9))))
    assert [sample.key for sample in read] == [sample.key for sample in SAMPLES]
    assert [sample.number for sample in read] == list(range(9))
    for sample, written in zip(read, SAMPLES, strict=True):
        image = decode_image(sample.image, "").permute(1, 2, 0).numpy()
        assert (image == written.image).all()
        assert sample.label is not None
        assert (decode_label(sample.label, "").numpy() == written.label).all()


def test_shuffled_samples_are_those_that_the_order_names(tmp_path):
    blocks = reader(tmp_path)
    order = Order(block_sizes=blocks.sizes, seed=5, window=2)
    read = whole(blocks.samples(order.portions(3, 2, 8)))
    first = [0, 3, 4, 7, 8]
    picks = [pick for portion in order.portions(3, 2, 8) for pick in portion.picks]
    numbers = [first[block] + index for block, index in picks]
    assert [sample.number for sample in read] == numbers
    assert [sample.key for sample in read] == [SAMPLES[number].key for number in numbers]
    assert {sample.epoch for sample in read} == {3}


def test_labels_of_an_unlabelled_domain_are_not_read(tmp_path):
    blocks = reader(tmp_path, labelled=False)
    assert all(
        sample.label is None
        for sample in whole(blocks.samples(in_file_order(blocks.sizes, range(9))))
    )


def test_missing_labels_are_named(tmp_path):
    blocks = reader(tmp_path)
    manifest = write_shards(str(tmp_path), SAMPLES, labelled=False)
    blocks = open_reader(tmp_path, manifest)
    with pytest.raises(DataError, match=r"shard-00000.tar: sample s0000 has no label.png"):
        whole(blocks.samples(in_file_order(blocks.sizes, range(1))))


def test_a_flipped_bit_names_the_url_the_shard_and_the_bytes(tmp_path):
    blocks = reader(tmp_path)
    path = tmp_path / "shard-00001.tar"
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    assert len(whole(blocks.samples(in_file_order(blocks.sizes, range(4))))) == 4, (
        "the rest is whole"
    )
    with pytest.raises(
        DataError, match=rf"{tmp_path}/shard-00001.tar: bytes 0-\d+ are damaged .* copy the shard"
    ):
        whole(blocks.samples(in_file_order(blocks.sizes, range(9))))


def test_a_shard_cut_short_is_named(tmp_path):
    blocks = reader(tmp_path)
    path = tmp_path / "shard-00002.tar"
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"shard-00002.tar: bytes 0-\d+ .* only 600 bytes"):
        whole(blocks.samples(in_file_order(blocks.sizes, range(8, 9))))


def test_a_manifest_that_counts_wrong_is_named(tmp_path):
    manifest = write_shards(str(tmp_path), SAMPLES, per_shard=9, per_block=9)
    (shard,) = manifest.shards
    block = replace(shard.blocks[0], num_samples=10)
    wrong = replace(manifest, shards=(replace(shard, blocks=(block,)),))
    blocks = open_reader(tmp_path, wrong)
    with pytest.raises(DataError, match="9 samples instead of 10"):
        whole(blocks.samples(in_file_order((10,), range(1))))


def test_one_window_at_most_is_read_ahead(tmp_path):
    blocks = reader(tmp_path)
    asked = []

    def portions():
        for portion in in_file_order(blocks.sizes, range(9)):
            asked.append(portion)
            yield portion

    samples = blocks.samples(portions())
    next(samples)
    assert len(asked) == 2
    samples.close()


class _Added(int):
    """A number that counts how often it is added to another."""

    times = 0

    def __radd__(self, other: int) -> int:
        _Added.times += 1
        return int(other) + int(self)

    __add__ = __radd__


def test_finding_the_first_sample_of_each_block_is_one_pass(tmp_path):
    """And not one a block: a data set of 50,000 blocks would take seconds a reader."""
    manifest = write_shards(str(tmp_path), SAMPLES, per_shard=9, per_block=9)
    (shard,) = manifest.shards
    (block,) = shard.blocks
    many = tuple(replace(block, num_samples=_Added(9)) for _ in range(300))
    blocks = open_reader(tmp_path, replace(manifest, shards=(replace(shard, blocks=many),)))
    sample = blocks.sample(2 * 9 + 4, epoch=0)
    assert isinstance(sample, EncodedSample)
    assert sample.key == SAMPLES[4].key
    assert _Added.times < 3 * len(many)


def test_damage_that_is_met_again_and_again_holds_no_memory(tmp_path):
    """An exception that is kept and raised again keeps the frames of each time."""
    blocks = reader(tmp_path)
    (tmp_path / "shard-00000.tar").write_bytes(b"")
    decoder = Decoder(
        reader=blocks,
        classes=CAMVID_11,
        label_map=None,
        damage=DamageLimit(name="", skip=True, num_samples=9, max_fraction=1.0, tally=Tally()),
        tally=Tally(),
    )
    held = []
    for _ in range(3):
        pixels = np.zeros(1)
        held.append(weakref.ref(pixels))
        with pytest.raises(DamageError, match=r"shard-00000.tar: bytes 0-\d+"):
            _decode_beside(decoder, pixels)
        del pixels
    gc.collect()
    assert [one() for one in held] == [None] * 3


def _decode_beside(decoder: Decoder, pixels: np.ndarray) -> None:
    """Decode a damaged sample in a frame that has something to hold."""
    decoder.decode(decoder.reader.sample(0, epoch=0))
    assert pixels is not None
