"""Resuming a stream: nothing is lost or repeated, whatever the number of ranks and workers."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advent_dist.data.progress import Phase
from advent_dist.errors import DataError

shapes = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))


def phase_of(num_samples: int, shape: tuple[int, int, int]) -> Phase:
    ranks, workers, batch_size = shape
    return Phase(num_samples=num_samples, ranks=ranks, workers=workers, batch_size=batch_size)


def batches_of(phase: Phase, rank: int, count: int) -> list[list[tuple[int, int]]]:
    """The next `count` batches of a rank as its loader would yield them: (epoch, position)."""
    workers = [
        (
            (epoch, position)
            for epoch, (start, stop) in phase.ranges(rank, worker)
            for position in range(start, stop)
        )
        for worker in range(phase.workers)
    ]
    turns = range(phase.batches, phase.batches + count)
    return [list(islice(workers[turn % phase.workers], phase.batch_size)) for turn in turns]


def samples_of(phase: Phase, count: int) -> list[tuple[int, int]]:
    batches = [batch for rank in range(phase.ranks) for batch in batches_of(phase, rank, count)]
    return [sample for batch in batches for sample in batch]


def test_one_consumer_reads_epoch_after_epoch():
    assert batches_of(phase_of(3, (1, 1, 2)), 0, 3) == [
        [(0, 0), (0, 1)],
        [(0, 2), (1, 0)],
        [(1, 1), (1, 2)],
    ]


@given(st.integers(1, 40), shapes, st.integers(1, 30))
def test_consumers_are_disjoint_and_cover_each_epoch(num_samples, shape, count):
    seen = Counter(samples_of(phase_of(num_samples, shape), count))
    assert set(seen.values()) <= {1}
    open_epoch = phase_of(num_samples, shape).advanced(count).position().epoch
    for epoch in range(open_epoch):
        assert all((epoch, position) in seen for position in range(num_samples))


@given(st.integers(1, 40), shapes, st.integers(0, 20), st.integers(1, 20))
def test_resuming_with_the_same_shape_is_as_if_never_stopped(num_samples, shape, before, after):
    phase = phase_of(num_samples, shape)
    stopped = Phase.from_state(json.loads(json.dumps(phase.advanced(before).to_state())))
    resumed = stopped.continued_as(phase)
    for rank in range(phase.ranks):
        uninterrupted = batches_of(phase, rank, before + after)
        assert batches_of(resumed, rank, after) == uninterrupted[before:]


@given(st.integers(1, 40), st.lists(st.tuples(shapes, st.integers(0, 12)), min_size=2, max_size=5))
def test_each_sample_is_seen_once_an_epoch_through_changes_of_shape(num_samples, stretches):
    phase = phase_of(num_samples, stretches[0][0])
    seen: Counter[tuple[int, int]] = Counter()
    for shape, count in stretches:
        stopped = Phase.from_state(json.loads(json.dumps(phase.to_state())))
        phase = stopped.continued_as(phase_of(num_samples, shape))
        seen.update(samples_of(phase, count))
        phase = phase.advanced(count)
    assert set(seen.values()) <= {1}
    left = phase.position()
    unseen = {
        (epoch, position)
        for epoch in range(left.epoch + len(left.remaining))
        for position in range(num_samples)
        if (epoch, position) not in seen
    }
    remaining = {
        (left.epoch + place, position)
        for place, ranges in enumerate(left.remaining)
        for start, stop in ranges
        for position in range(start, stop)
    }
    assert remaining == unseen


def test_a_change_of_the_batch_size_alone_starts_a_new_phase():
    phase = phase_of(10, (1, 1, 2)).advanced(2)
    resumed = phase.continued_as(phase_of(10, (1, 1, 3)))
    assert batches_of(resumed, 0, 2) == [[(0, 4), (0, 5), (0, 6)], [(0, 7), (0, 8), (0, 9)]]


@pytest.mark.parametrize("consumers", [3, 7])
def test_consumers_stay_abreast_over_many_epochs(consumers):
    # 10 samples for 3: parts of 3, 3 and 4, which must not be the same consumer's every time.
    left = phase_of(10, (consumers, 1, 1)).advanced(1000).position()
    assert len(left.remaining) <= 3


def test_more_consumers_than_samples_see_each_sample_once_an_epoch():
    phase = phase_of(3, (2, 4, 2))
    seen = Counter(samples_of(phase, 12))
    assert set(seen.values()) == {1}
    assert phase.advanced(12).position().epoch > 5


def test_another_number_of_samples_is_refused():
    with pytest.raises(DataError, match="written with 10 samples, but the shards hold 11"):
        phase_of(10, (1, 1, 1)).continued_as(phase_of(11, (1, 1, 1)))
