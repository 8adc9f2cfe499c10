"""What a sweep used, and what it would have used without ending trials early: the maths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tune.report.record import Sweep, Trial


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Steps, hours and money of a sweep so far."""

    steps: int
    """Optimiser steps trained by all trials."""

    full_steps: int
    """Those of the same trials, all run to the end."""

    trial_hours: float
    """Hours of training, added up over the trials."""

    final_hours: float | None
    """The same of the retrainings; none where they were not noted."""

    wall_hours: float | None
    """Hours that the sweep took."""

    devices: float
    """GPUs, or CPU cores where there is no GPU, that a trial holds."""

    device: str
    """`GPU` or `CPU`."""

    cost: float | None
    """Price of the device hours of trials and retrainings; none without a price."""

    @property
    def share(self) -> float | None:
        """Steps trained over those of running all to the end; none before a trial began."""
        return self.steps / self.full_steps if self.full_steps else None

    @property
    def device_hours(self) -> float:
        """Hours times devices."""
        return (self.trial_hours + (self.final_hours or 0.0)) * self.devices


def budget_of(sweep: Sweep, price_per_hour: float | None = None) -> Budget:
    """What the sweep used so far.

    Args:
        sweep: the sweep.
        price_per_hour: of a GPU, or of a CPU core where trials hold no GPU; none takes the sweep's.
    """
    begun = [trial for trial in sweep.trials if trial.state != "pending"]
    noted = [final.seconds for final in sweep.finals if final.seconds is not None]
    price = sweep.price_per_hour if price_per_hour is None else price_per_hour
    trial_hours = sum(trial.seconds for trial in begun) / 3600
    final_hours = sum(noted) / 3600 if noted else None
    devices = sweep.gpus_per_trial or sweep.cpus_per_trial
    hours = trial_hours + (final_hours or 0.0)
    return Budget(
        steps=sum(trial.steps for trial in begun),
        full_steps=len(begun) * sweep.max_steps,
        trial_hours=trial_hours,
        final_hours=final_hours,
        wall_hours=None if sweep.seconds is None else sweep.seconds / 3600,
        devices=devices,
        device="GPU" if sweep.gpus_per_trial else "CPU",
        cost=None if price is None else price * devices * hours,
    )


def survivors(trials: Sequence[Trial], max_steps: int) -> list[tuple[int, int]]:
    """How many trials trained beyond a step: (step, trials), from step 0 on, where it changes.

    The area below is the number of steps trained.
    """
    ends = [trial.steps for trial in trials if trial.state != "pending"]
    steps = sorted({0, *ends, max_steps})
    return [(step, sum(end > step for end in ends)) for step in steps]
