"""The loop on a method that only counts: what happens at which step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from advent_dist.augmentation.fourier import in_target_style
from advent_dist.config import EngineConfig, Experiment
from advent_dist.config.override import override
from advent_dist.errors import DivergedError
from advent_dist.parallel.engine import Engine
from advent_dist.parallel.local import LocalEngine
from advent_dist.parallel.world import World
from advent_dist.training.loop import train
from advent_dist.training.progress import Progress, Scores
from advent_dist.types import DomainBatch, Metrics
from tests.helpers import random_batch, tiny_experiment


class Counting:
    """A method of one parameter, whose gradient is 1 in each micro-batch."""

    def __init__(self, accumulation: int = 1) -> None:
        self.module = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.module.weight)
        optimizer = torch.optim.SGD(self.module.parameters(), lr=1.0)
        config = EngineConfig(kind="local", gradient_accumulation_steps=accumulation)
        self.engine = LocalEngine(self.module, optimizer, config, World())
        self.engines: Mapping[str, Engine] = {"segmenter": self.engine}
        self.batches = 0

    def step(self, batch: DomainBatch) -> Metrics:
        loss = self.module.weight.sum()
        self.engine.backward(loss)
        self.engine.step()
        self.batches += 1
        return {"loss/seg": torch.tensor(float(self.batches))}


class Recorder:
    """Notes reports, checkpoints and evaluations in the order in which they come."""

    def __init__(self, mious: dict[int, float] | None = None) -> None:
        self.rows: list[dict[str, Any]] = []
        self.events: list[tuple[str, int]] = []
        self.mious = mious or {}
        self.ends_at: int | None = None
        self.notices: set[int] = set()
        self.progress = Progress()

    def report(self, row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> bool:
        self.rows.append(row)
        self.events.append(("report", row["step"]))
        assert progress is self.progress
        return row["step"] == self.ends_at

    def evaluate(self) -> Scores:
        step = self.progress.step
        self.events.append(("evaluate", step))
        numbers = {
            "miou": self.mious.get(step, 0.0),
            "mean_entropy": 0.5,
            "live_classes": 3,
            "information_maximisation": 0.1,
            "snd": 3.0,
            "diversity": 0.6,
        }
        return Scores(step=step, target=numbers)

    def save(self, progress: Progress) -> Path:
        self.events.append(("save", progress.step))
        return Path("checkpoint")

    def steps_of(self, kind: str) -> list[int]:
        return [step for name, step in self.events if name == kind]


def _experiment(**run: int) -> Experiment:
    return override(
        tiny_experiment("streets_source_only"),
        {f"run.{name}": value for name, value in run.items()},
    )


def _batches() -> Iterator[DomainBatch]:
    seed = 0
    while True:
        yield random_batch(seed)
        seed += 1


def _train(
    chosen: Experiment,
    recorder: Recorder,
    method: Counting | None = None,
    batches: Iterator[DomainBatch] | None = None,
) -> Counting:
    method = method or Counting(chosen.engine.gradient_accumulation_steps)
    train(
        chosen,
        world=World(),
        method=method,
        batches=batches or _batches(),
        progress=recorder.progress,
        evaluate=recorder.evaluate,
        save=recorder.save,
        report=recorder.report,
        notice=lambda: recorder.progress.step in recorder.notices,
    )
    return method


class Looking(Counting):
    """Keeps the batches that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[DomainBatch] = []

    def step(self, batch: DomainBatch) -> Metrics:
        self.seen.append(batch)
        return super().step(batch)


def test_fourier_amplitudes_are_changed_before_any_method_sees_the_source() -> None:
    chosen = override(_experiment(steps=2), {"data.augment.crop": (64, 64)})
    whole = [replace(one, target_image=one.target_image[..., :64]) for one in islice(_batches(), 2)]
    plain, changed = Looking(), Looking()
    _train(chosen, Recorder(), plain, iter(whole))
    styled = override(chosen, {"data.augment.fda_beta": 0.1})
    torch.manual_seed(0)
    _train(styled, Recorder(), changed, iter(whole))
    torch.manual_seed(0)
    for one, other, read in zip(plain.seen, changed.seen, whole, strict=True):
        assert one.source_image.equal(read.source_image)
        assert other.source_image.equal(in_target_style(read, 0.1).source_image)
        assert other.target_image.equal(read.target_image)


def test_intervals() -> None:
    recorder = Recorder({4: 1.0, 7: 2.0})
    _train(_experiment(steps=7, report_every=3, evaluate_every=4, checkpoint_every=5), recorder)
    assert recorder.steps_of("evaluate") == [4, 7]
    assert recorder.steps_of("save") == [4, 5, 7]  # each new best too
    assert recorder.steps_of("report") == [3, 4, 5, 6, 7]
    assert recorder.progress.step == 7


def test_no_checkpoint_for_what_is_no_new_best() -> None:
    recorder = Recorder({2: 5.0, 4: 4.0, 6: 6.0})
    _train(_experiment(steps=7, report_every=9, evaluate_every=2, checkpoint_every=9), recorder)
    assert recorder.steps_of("save") == [2, 6, 7]
    assert recorder.progress.best is not None
    assert recorder.progress.best.step == 6


def test_a_notice_brings_a_checkpoint_with_the_next_report() -> None:
    recorder = Recorder()
    recorder.notices = {3, 4}
    _train(_experiment(steps=7, report_every=2, evaluate_every=9, checkpoint_every=9), recorder)
    assert recorder.steps_of("save") == [4, 7]


def test_a_notice_does_not_wait_for_a_report_that_is_far_away() -> None:
    recorder = Recorder()
    recorder.notices = {3}
    _train(_experiment(steps=7, report_every=9, evaluate_every=9, checkpoint_every=9), recorder)
    assert recorder.steps_of("save") == [3, 7]
    assert recorder.steps_of("report") == [3, 7]


def test_slow_steps_are_asked_after_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after the first report has said how long they take."""
    monkeypatch.setattr("advent_dist.training.loop._ASKS_EVERY_S", 1e-6)
    recorder = Recorder()
    recorder.notices = {6}
    _train(_experiment(steps=8, report_every=4, evaluate_every=9, checkpoint_every=9), recorder)
    assert recorder.steps_of("save") == [6, 8]


def test_evaluation_comes_before_the_checkpoint_and_this_before_the_report() -> None:
    recorder = Recorder()
    _train(_experiment(steps=2, report_every=2, evaluate_every=2, checkpoint_every=2), recorder)
    assert recorder.events == [("evaluate", 2), ("save", 2), ("report", 2)]


def test_rows() -> None:
    recorder = Recorder({4: 12.5})
    _train(_experiment(steps=4, report_every=2, evaluate_every=4, checkpoint_every=9), recorder)
    first, last = recorder.rows
    assert first["loss/seg"] == 1.5  # the mean of steps 1 and 2
    assert last["loss/seg"] == 3.5
    assert "target_miou" not in first
    assert last["target_miou"] == 12.5
    assert {"step", "samples_per_s", "data_wait_fraction", "lr/segmenter"} <= set(first)


def test_the_schedule_counts_from_zero() -> None:
    """The first update takes the full rate; the weight is minus the sum of all rates."""
    chosen = override(
        _experiment(steps=3, report_every=1, evaluate_every=9, checkpoint_every=9),
        {"optimizer.horizon": 4, "optimizer.power": 1.0},
    )
    recorder = Recorder()
    method = _train(chosen, recorder)
    assert [row["lr/segmenter"] for row in recorder.rows] == [1.0, 0.75, 0.5]
    assert method.module.weight.item() == pytest.approx(-2.25)


def test_rates_rise_to_the_schedule() -> None:
    chosen = override(
        _experiment(steps=3, report_every=1, evaluate_every=9, checkpoint_every=9),
        {"optimizer.horizon": 4, "optimizer.power": 1.0, "optimizer.warmup_steps": 2},
    )
    recorder = Recorder()
    _train(chosen, recorder)
    rates = [row["lr/segmenter"] for row in recorder.rows]
    assert rates == pytest.approx([1e-6, 0.75 * 0.5, 0.5], rel=1e-5)


def test_accumulation_takes_several_batches_a_step() -> None:
    chosen = override(
        _experiment(steps=2, report_every=1, evaluate_every=9, checkpoint_every=9),
        {"engine.kind": "local", "engine.gradient_accumulation_steps": 3},
    )
    recorder = Recorder()
    method = _train(chosen, recorder)
    assert method.batches == 6
    assert [row["loss/seg"] for row in recorder.rows] == [2.0, 5.0]


def test_goes_on_from_where_it_is() -> None:
    recorder = Recorder()
    recorder.progress.step = 5
    method = _train(
        _experiment(steps=7, report_every=1, evaluate_every=9, checkpoint_every=9), recorder
    )
    assert method.batches == 2
    assert [row["step"] for row in recorder.rows] == [6, 7]


def test_the_report_may_end_the_run() -> None:
    recorder = Recorder()
    recorder.ends_at = 4
    method = _train(
        _experiment(steps=7, report_every=2, evaluate_every=4, checkpoint_every=9), recorder
    )
    assert method.batches == recorder.progress.step == 4
    assert recorder.steps_of("report") == [2, 4]


def test_a_finished_run_does_nothing() -> None:
    recorder = Recorder()
    recorder.progress.step = 7
    assert _train(_experiment(steps=7), recorder).batches == 0
    assert recorder.events == []


class Diverging(Counting):
    def step(self, batch: DomainBatch) -> Metrics:
        metrics = super().step(batch)
        return {"loss/seg": metrics["loss/seg"] / (0.0 if self.batches == 4 else 1.0)}


def test_no_checkpoint_after_a_loss_that_is_not_finite() -> None:
    """Also if it is finite again when a report is due: the weights may be spoilt."""
    recorder = Recorder()
    chosen = _experiment(steps=9, report_every=5, evaluate_every=5, checkpoint_every=3)
    with pytest.raises(DivergedError, match="loss/seg = inf at step 3"):
        _train(chosen, recorder, Diverging())
    assert recorder.events == [("save", 3), ("report", 3)]
