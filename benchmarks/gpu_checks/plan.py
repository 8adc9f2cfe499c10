"""Which checks there are, in their order: first what is right, then how fast it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check."""

    name: str
    """As in the table."""

    function: str
    """`module:function` of this folder: (world, scale) -> Found."""

    most_s: float = 90
    """Seconds after which it has failed, however many are left; on a CPU three times as many."""

    on_a_cpu: Literal["checked", "rehearsed", "skipped"] = "checked"
    """What becomes of it without a GPU. Rehearsed: its code runs, on small images, and its figures
    are left out, since they would say nothing of any GPU."""

    why: str = ""
    """Why it is skipped."""

    own_group: bool = False
    """Whether it makes the process groups it needs itself, in processes of its own."""


_NO_OTHER = "there is nothing to compare the CPU with"

PLAN = (
    Check(
        name="fp32 as on the CPU",
        function="training:as_on_the_cpu",
        on_a_cpu="skipped",
        why=_NO_OTHER,
    ),
    Check(name="ZeRO 0 to 3 as plain PyTorch", function="training:zero_stages", most_s=120),
    Check(name="bf16 follows fp32", function="training:bf16"),
    Check(name="activation checkpointing changes nothing", function="training:recomputed"),
    Check(name="deterministic: twice equal to the bit", function="repeats:check"),
    Check(name="resumed equals unbroken", function="resume:check"),
    Check(
        name="tests that take a device",
        function="pytest_set:check",
        most_s=120,
        on_a_cpu="skipped",
        why="make test runs them on a CPU",
        own_group=True,
    ),
    Check(name="a detector trains and is scored", function="detector:check"),
    Check(
        name="counts as on the CPU",
        function="counts:check",
        on_a_cpu="skipped",
        why=_NO_OTHER,
    ),
    Check(
        name="the product on Ray, a GPU a worker",
        function="product:on_a_gpu",
        most_s=120,
        on_a_cpu="skipped",
        why="no worker can have one",
        own_group=True,
    ),
    Check(
        name="the product on Ray, no GPU a worker",
        function="product:on_the_cpu",
        most_s=120,
        own_group=True,
    ),
    Check(name="export, and what it computes", function="exported:check"),
    Check(
        name="evaluation at 2048x1024",
        function="evaluation:check",
        on_a_cpu="rehearsed",
    ),
    Check(name="memory at ZeRO 0 to 3", function="memory:check"),
    Check(name="speed, fp32", function="speed:fp32", on_a_cpu="rehearsed"),
    Check(name="speed, TF32", function="speed:tf32", on_a_cpu="rehearsed"),
    Check(name="speed, bf16", function="speed:bf16", on_a_cpu="rehearsed"),
    Check(name="where the time goes, bf16", function="parts:check", on_a_cpu="rehearsed"),
    Check(
        name="copies to the device, bf16",
        function="copies:check",
        on_a_cpu="rehearsed",
    ),
    Check(
        name="waiting for data, bf16",
        function="data_wait:check",
        on_a_cpu="rehearsed",
    ),
    Check(
        name="activations recomputed, bf16",
        function="recomputed:check",
        on_a_cpu="rehearsed",
    ),
    Check(name="a step of MIC at 512x512", function="mic:check", on_a_cpu="rehearsed"),
    Check(
        name="compiled as written",
        function="training:compiled",
        most_s=120,
        on_a_cpu="skipped",
        why="a CPU compiles for minutes",
    ),
    Check(
        name="speed, bf16 compiled",
        function="compiled:check",
        most_s=180,
        on_a_cpu="skipped",
        why="a CPU compiles for minutes",
    ),
)
"""Those that compile for minutes come last: what the time does not reach is the least."""
