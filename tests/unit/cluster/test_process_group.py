"""What Ray Train's controller asks of the workers before and after a training."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import ray
from ray.exceptions import GetTimeoutError

from cluster.process_group import ProcessGroup, _join, _part, _prepare


class Workers:
    """A group of two that notes what it is asked for."""

    def __init__(self, gpus: float = 0) -> None:
        self.gpus = gpus
        self.asked: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return 2

    def get_resources_per_worker(self) -> dict[str, float]:
        return {"CPU": 1.0, "GPU": self.gpus}

    def execute_single(self, rank: int, function: Any) -> tuple[str, int]:
        return "10.0.0.1", 1234

    def execute(self, function: Any, **given: Any) -> None:
        self.asked.append((function, given))

    def execute_single_async(self, rank: int, function: Any, **given: Any) -> int:
        self.asked.append((function, rank, given))
        return rank

    def execute_async(self, function: Any, **given: Any) -> list[int]:
        self.asked.append((function, given))
        return [0, 1]


@pytest.mark.parametrize(("gpus", "backend"), [(0, "gloo"), (0.5, "nccl")])
def test_all_are_ready_before_any_waits(
    gpus: float, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "get", lambda asked, timeout=None: asked)
    workers, group = Workers(gpus), ProcessGroup(timeout_s=7)
    group.backend_cls().on_start(workers, group)  # type: ignore[arg-type]
    common = {"backend": backend, "ranks": 2, "timeout_s": 7}
    assert workers.asked == [
        (_prepare, {"address": "10.0.0.1", "port": 1234}),
        *((_join, rank, {**common, "place": rank}) for rank in range(2)),
    ]


def test_one_that_is_gone_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waited = []

    def get(asked: Any, timeout: float) -> None:
        waited.append(timeout)
        raise GetTimeoutError

    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setenv("TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S", "3")
    workers, group = Workers(), ProcessGroup(timeout_s=7)
    with caplog.at_level(logging.WARNING):
        group.backend_cls().on_shutdown(workers, group)  # type: ignore[arg-type]
    assert workers.asked == [(_part, {"ranks": 2})]
    assert waited == [3]
    assert "not all ranks have left the process group within 3 s" in caplog.text
