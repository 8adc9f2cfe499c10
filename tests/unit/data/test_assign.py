"""The order of an epoch and its parts, as properties of integers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advent_dist.data.assign import (
    Order,
    augmentation_rng,
    evenly,
    in_file_order,
    length,
    part,
    take,
)

block_sizes = st.lists(st.integers(1, 5), min_size=1, max_size=12).map(tuple)
seeds = st.integers(0, 2**40)


def sequence(order: Order, epoch: int, start: int = 0, stop: int | None = None):
    stop = sum(order.block_sizes) if stop is None else stop
    return [pick for portion in order.portions(epoch, start, stop) for pick in portion.picks]


@given(block_sizes, seeds, st.integers(0, 1000), st.integers(1, 6))
def test_an_epoch_holds_each_sample_once(sizes, seed, epoch, window):
    order = Order(block_sizes=sizes, seed=seed, window=window)
    everything = [(block, index) for block, size in enumerate(sizes) for index in range(size)]
    assert sorted(sequence(order, epoch)) == everything
    assert all(portion.epoch == epoch for portion in order.portions(epoch, 0, sum(sizes)))


@given(block_sizes, seeds, st.data())
def test_a_range_is_that_slice_of_the_epoch(sizes, seed, data):
    order = Order(block_sizes=sizes, seed=seed)
    start = data.draw(st.integers(0, sum(sizes)))
    stop = data.draw(st.integers(start, sum(sizes)))
    assert sequence(order, 3, start, stop) == sequence(order, 3)[start:stop]


@given(block_sizes, seeds, st.integers(1, 6))
def test_a_portion_touches_one_window_of_blocks(sizes, seed, window):
    order = Order(block_sizes=sizes, seed=seed, window=window)
    portions = list(order.portions(0, 0, sum(sizes)))
    blocks = [{block for block, _ in portion.picks} for portion in portions]
    assert all(len(touched) <= window for touched in blocks)
    assert sum(map(len, blocks)) == len(sizes), "no block is read in two portions"


def test_seed_and_epoch_matter_and_nothing_else_does():
    sizes = (4,) * 16
    sequences = {
        tuple(sequence(Order(block_sizes=sizes, seed=seed), epoch))
        for seed in range(5)
        for epoch in range(5)
    }
    assert len(sequences) == 25
    one, other = Order(block_sizes=sizes, seed=7), Order(block_sizes=sizes, seed=7)
    assert sequence(one, 2) == sequence(other, 2)


def test_the_order_is_the_one_that_earlier_checkpoints_count_in():
    # Literal, since a change would make resumed runs repeat and miss samples without a word.
    order = Order(block_sizes=(3, 3, 1, 4, 2), seed=1234, window=3)
    first_window = [(0, 0), (0, 1), (4, 1), (2, 0), (4, 0), (0, 2)]
    second_window = [(1, 0), (3, 1), (3, 2), (3, 0), (3, 3), (1, 2), (1, 1)]
    assert sequence(order, 5) == first_window + second_window


@given(st.integers(0, 10_000), st.integers(1, 70))
def test_parts_are_contiguous_and_balanced(total, parts):
    ranges = [part(total, index, parts) for index in range(parts)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == total
    assert all(one[1] == following[0] for one, following in pairwise(ranges))
    sizes = [stop - start for start, stop in ranges]
    assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.integers(0, 6), max_size=8), st.data())
def test_take_slices_concatenated_ranges(sizes, data):
    ranges = [(10 * place, 10 * place + size) for place, size in enumerate(sizes)]
    elements = [number for start, stop in ranges for number in range(start, stop)]
    low = data.draw(st.integers(0, len(elements)))
    high = data.draw(st.integers(low, len(elements)))
    taken = take(ranges, low, high)
    assert [n for start, stop in taken for n in range(start, stop)] == elements[low:high]
    assert length(taken) == high - low


@given(block_sizes, st.integers(1, 9))
def test_ranks_read_a_data_set_once_in_file_order(sizes, ranks):
    picks = [
        pick
        for rank in range(ranks)
        for portion in in_file_order(sizes, range(*part(sum(sizes), rank, ranks)))
        for pick in portion.picks
    ]
    assert picks == [(block, index) for block, size in enumerate(sizes) for index in range(size)]


@given(block_sizes, st.integers(1, 40))
def test_some_samples_evenly_spread(sizes, most):
    numbers = evenly(sum(sizes), most)
    assert len(numbers) == min(most, sum(sizes))
    assert list(numbers) == sorted(set(numbers))
    gaps = {after - before for before, after in pairwise([*numbers, numbers[0] + sum(sizes)])}
    assert max(gaps) - min(gaps) <= 1
    every = [(block, index) for block, size in enumerate(sizes) for index in range(size)]
    picks = [pick for portion in in_file_order(sizes, numbers) for pick in portion.picks]
    assert picks == [every[number] for number in numbers]


def test_each_sample_and_epoch_has_its_own_augmentation():
    draws = {
        augmentation_rng(seed, epoch, sample).random()
        for seed in range(3)
        for epoch in range(3)
        for sample in range(3)
    }
    assert len(draws) == 27
    assert augmentation_rng(1, 2, 3).random() == augmentation_rng(1, 2, 3).random()


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="non-negative"):
        sequence(Order(block_sizes=(2, 2), seed=-1), 0)
