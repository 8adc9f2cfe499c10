"""Where a step's time goes on the device, by events in its queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from advent_dist.parallel.world import World
from benchmarks.gpu_checks.clock import Clock, Mark
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.published import full_batch, method_of

_STEPS = 5
REST = "losses, maps, metrics"


def check(world: World, scale: float) -> Found:
    """Shares of forward and backward passes and of updates, of segmenter and discriminators."""
    method, clock = method_of(world, "bf16"), Clock(world.device)
    batch = full_batch(scale).to(world.device)
    for _ in range(2):
        method.step(batch)
    timed = _Timed(method, clock)
    begun = clock.mark()
    for _ in range(_STEPS):
        method.step(batch)
    ended = clock.mark()
    clock.wait()
    whole = begun.until(ended)
    seconds = timed.seconds()
    seconds[REST] = whole - sum(seconds.values())
    said = ", ".join(f"{name} {taken / whole:.0%}" for name, taken in seconds.items())
    numbers = {f"ms a step, {name}": 1000 * taken / _STEPS for name, taken in seconds.items()}
    return Found(said=said, numbers=numbers | {"ms a step": 1000 * whole / _STEPS})


class _Timed:
    """Marks around what the engines of a method do, none of which is within another."""

    def __init__(self, method: Any, clock: Clock) -> None:
        self._clock = clock
        self._marks: dict[str, list[tuple[Mark, Mark]]] = {}
        self._begun: list[Mark] = []
        for name, engine in method.engines.items():
            whose = "segmenter" if name == "segmenter" else "discriminators"
            engine.module.register_forward_pre_hook(self._begins)
            engine.module.register_forward_hook(self._ends(f"{whose} forward"))
            engine.backward = self._around(f"{whose} backward", engine.backward)
            engine.step = self._around(f"{whose} update", engine.step)

    def seconds(self) -> dict[str, float]:
        """Of each part, all steps together."""
        return {
            name: sum(begun.until(ended) for begun, ended in pairs)
            for name, pairs in self._marks.items()
        }

    def _begins(self, *_: object) -> None:
        self._begun.append(self._clock.mark())

    def _ends(self, name: str) -> Callable[..., None]:
        def hook(*_: object) -> None:
            pair = (self._begun.pop(), self._clock.mark())
            self._marks.setdefault(name, []).append(pair)

        return hook

    def _around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **more: Any) -> Any:
            self._begins()
            result = call(*arguments, **more)
            self._ends(name)()
            return result

        return timed
