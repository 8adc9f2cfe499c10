"""Networks compiled by `torch.compile`, with the backend that runs a graph as it was traced."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from torch import nn
from torch._dynamo.utils import counters

from advent_dist.config import EngineConfig
from advent_dist.config.override import override
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.errors import ConfigError
from advent_dist.experiments import experiment
from advent_dist.parallel.world import World
from advent_dist.training.compilation import require_headers
from advent_dist.training.progress import Progress
from advent_dist.training.rank import train_rank
from tests.helpers import run_ranks, tiny_experiment, tiny_run, write_tiny_shards

Run = tuple[list[dict[str, Any]], list[int], int]
"""The rows of a run, how many graphs there were at each of them, and breaks in them."""


def _train(world: World, root: str, name: str, changes: dict[str, Any]) -> Run:
    """In a process of its own: what is compiled is kept, and checks of shapes are no part of it."""
    compile_ = nn.Module.compile
    # Graphs are traced, guarded and kept as ever; making machine code of them takes minutes.
    nn.Module.compile = lambda self, **options: compile_(self, backend="eager", **options)  # type: ignore[assignment,method-assign]
    rows: list[dict[str, Any]] = []
    graphs: list[int] = []

    def report(row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> bool:
        rows.append(row)
        graphs.append(counters["stats"]["unique_graphs"])
        return False

    method = tiny_experiment(name).method
    experiment = override(
        replace(tiny_run(root, "unused"), method=method),
        {"engine.kind": "local", "run.evaluate_every": 1, **changes},
    )
    train_rank(experiment, CAMVID_11, world, report)
    return rows, graphs, sum(counters["graph_break"].values())


@pytest.fixture
def train(tmp_path: Path) -> Any:
    """Trains a method by the name of its experiment, with changes to the config."""
    write_tiny_shards(str(tmp_path))

    def run(name: str, **changes: Any) -> Run:
        dotted = {key.replace("__", "."): value for key, value in changes.items()}
        found: Run
        [found] = run_ranks(_train, 1, str(tmp_path), name, dotted)
        return found

    return run


@pytest.mark.parametrize(
    ("name", "engine", "late"),
    [
        ("camvid_day_dusk_advent", {"engine__kind": "deepspeed", "engine__zero_stage": 2}, 0),
        ("camvid_day_dusk_mic", {"method__mask_statistics": True}, 0),
        # BatchNorm has another momentum meanwhile: PyTorch makes one more graph when it is back.
        ("camvid_day_dusk_mic", {"method__mask_statistics": False}, 1),
    ],
)
def test_steps_are_compiled_once_and_the_same(
    name: str, engine: dict[str, Any], late: int, train: Any
) -> None:
    rows, graphs, breaks = train(name, engine__compile=True, **engine)
    assert len(graphs) == 4
    assert graphs[0] > 0
    assert graphs[1:] == [graphs[0] + late] * 3
    assert breaks == 0
    plain, none, _ = train(name, **engine)
    assert none == [0] * 4, "the switch is off"
    losses = [key for key in plain[-1] if key.startswith("loss/")]
    assert losses
    for compiled, written in zip(rows, plain, strict=True):
        expected = pytest.approx({key: written[key] for key in losses}, rel=1e-5)
        assert {key: compiled[key] for key in losses} == expected


def test_evaluations_run_as_written(train: Any) -> None:
    run = partial(train, "camvid_day_dusk_minent", engine__compile=True)
    _, evaluated, _ = run(run__evaluate_every=1)
    _, never_before, _ = run(run__evaluate_every=4)
    assert evaluated[2] == never_before[2]


@pytest.mark.parametrize("field", ["zero_stage", "discriminator_zero_stage"])
def test_what_is_in_pieces_is_not_compiled(field: str) -> None:
    with pytest.raises(ConfigError, match=rf"engine\.{field} = 3: engine\.compile needs whole"):
        EngineConfig(compile=True, **{field: 3})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["streets_hrda", "gta5_cityscapes_mic_hrda"])
def test_windows_that_are_drawn_are_not_compiled(name: str) -> None:
    fix = r"engine\.compile = True: each window of model\.detail_crop .*set it to False"
    with pytest.raises(ConfigError, match=fix):
        override(experiment(name), {"engine.compile": True})


def test_pythons_headers_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Triton's compiler misses them."""
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(ConfigError, match=r"engine\.compile = True: .*Python\.h is missing"):
        require_headers()
    (tmp_path / "Python.h").touch()
    require_headers()
