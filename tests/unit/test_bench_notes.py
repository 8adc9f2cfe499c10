"""What `benchmarks` make of notes on a training: its parts, and its steps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.notes import Note, median, noting, parts, read
from benchmarks.overhead import Step, differ_by, steps_of

PARTS = [("start", "work begins"), ("work", "work ends")]


def _notes(*marks: tuple[str, float, int]) -> list[Note]:
    return [Note(*mark, cpu=0.0) for mark in marks]


def test_a_part_ends_with_the_last_process_that_passes_its_mark() -> None:
    notes = _notes(
        ("work begins", 12.0, 1),
        ("work begins", 13.5, 2),
        ("work ends", 14.0, 2),
        ("work ends", 15.0, 1),
    )
    assert parts(PARTS, notes, 10.0) == {"start": 3.5, "work": 1.5}


def test_a_process_passes_a_mark_once() -> None:
    """Whoever had passed it before it all began, as what outlives a kill, has no part in it."""
    notes = _notes(
        ("work begins", 1.0, 1),
        ("work ends", 2.0, 1),
        ("work begins", 10.5, 1),
        ("work begins", 11.0, 2),
        ("work ends", 12.0, 2),
        ("work ends", 19.0, 1),
        ("work begins", 20.0, 2),
        ("work ends", 21.0, 2),
    )
    assert parts(PARTS, notes, 10.0) == {"start": 1.0, "work": 1.0}


def test_a_mark_that_nobody_passed_is_named() -> None:
    with pytest.raises(KeyError, match="work ends"):
        parts(PARTS, _notes(("work begins", 12.0, 1)), 10.0)


def test_the_median_is_one_that_was_found() -> None:
    short, middle, long = {"a": 1.0, "b": 1.0}, {"a": 0.5, "b": 2.0}, {"a": 3.0, "b": 3.0}
    assert median([long, short, middle]) == middle
    assert median([short, long]) == long


def test_processes_note_what_they_pass(tmp_path: Path) -> None:
    """Each call, its beginning and its end, and who it was."""
    file = tmp_path / "notes.jsonl"
    assert read(file) == []
    code = """
import torch
from advent_dist.parallel.world import World
from advent_dist.training.meter import Meter
from advent_dist.types import PairedImages
batch = PairedImages(source_image=torch.zeros(1), target_image=torch.zeros(1))
meter = Meter(World())
for step in range(2):
    meter.add(step, batch, {"loss": torch.zeros(())})
import os
print(os.getpid())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=noting(file)
    )
    notes = read(file)
    assert [note.mark for note in notes] == ["Meter.add begins", "Meter.add ends"] * 2
    assert {note.process for note in notes} == {int(done.stdout)} != {os.getpid()}
    whens = [note.when for note in notes]
    assert whens == sorted(whens)
    cpu = [note.cpu for note in notes]
    assert 0 < cpu[0] <= cpu[-1]


def test_a_step_is_counted_from_the_end_of_the_one_before() -> None:
    marks = ("TrainingLoader.__next__ begins", "TrainingLoader.__next__ ends", "Meter.add ends")
    whens = ((0.0, 4.0, 6.0), (6.5, 6.75, 8.75), (8.75, 9.75, 12.0))
    # What else is noted meanwhile is no part of a step; the CPU's seconds are half of the clock's.
    notes = [
        Note(mark, when, 1, when / 2)
        for step in whens
        for mark, when in (*zip(marks, step, strict=True), ("Meter.add begins", step[2]))
    ]
    assert steps_of(notes) == [
        Step(between=0.5, waiting=0.25, itself=2.0, cpu=1.375),
        Step(between=0.0, waiting=1.0, itself=2.25, cpu=1.625),
    ]


def test_losses_of_other_steps_are_seen_to_differ() -> None:
    losses = [{"loss": 1.0, "seg": 4.0}, {"loss": 3.0, "seg": 4.0}, {"loss": 5.0, "seg": 2.0}]
    rows = [{"step": 2, "loss": 2.0, "seg": 4.0}, {"step": 3, "loss": 5.0, "seg": 2.0}]
    assert differ_by(rows, losses) == 0.0
    assert differ_by([rows[0], {**rows[1], "seg": 2.5}], losses) == 0.25
