"""Memory that goes back and forth between a worker and the trainer."""

from __future__ import annotations

import gc
from collections import Counter

import torch

from advent_dist.data.slots import SLOTS, BatchShape, Slots

SHAPE = BatchShape(batch_size=2, width=4, height=3, labelled=True)


def fill(slots: Slots, value: int) -> int | None:
    """Write a batch as a worker does; the slot that it lies in."""
    buffer = slots.take()
    buffer.image.fill_(value)
    assert buffer.label is not None
    buffer.label.fill_(value + 1)
    return buffer.slot


def test_a_batch_arrives_where_it_was_written():
    slots = Slots(SHAPE)
    slot = fill(slots, 7)
    assert slot is not None
    batch = slots.view(slot).batch(("a", "b"), Counter())
    assert batch.image.shape == (2, 3, 3, 4)
    assert (batch.image == 7).all()
    assert batch.label is not None
    assert batch.label.shape == (2, 3, 4)
    assert (batch.label == 8).all()


def test_a_slot_is_free_again_when_the_last_view_of_it_is_gone():
    slots = Slots(SHAPE)
    written = [fill(slots, value) for value in range(SLOTS)]
    assert sorted(slot for slot in written if slot is not None) == list(range(SLOTS))
    assert fill(slots, 99) is None, "all are taken: memory of its own"
    held = [slots.view(slot) for slot in written if slot is not None]
    row = held[2].image[1]
    del held
    gc.collect()
    free = [fill(slots, 50) for _ in range(SLOTS)]
    assert free[-1] is None, "one is still looked at"
    assert (row == 2).all()
    del row
    assert fill(slots, 60) is not None


def test_an_unlabelled_batch_has_no_label():
    buffer = SHAPE._replace(labelled=False).allocate()
    assert buffer.label is None
    assert buffer.image.dtype == torch.uint8
