"""Checkpoints of one rank in plain PyTorch; several ranks and DeepSpeed: tests/distributed."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.data.class_sets import CITYSCAPES_19
from advent_dist.errors import CheckpointError
from advent_dist.experiments import experiment as registered
from advent_dist.methods.base import Method
from advent_dist.models.segmenter import build_segmenter
from advent_dist.parallel.world import World
from advent_dist.training import checkpoint, random_state
from advent_dist.training.assembly import build_method
from advent_dist.training.progress import Progress, Scores
from advent_dist.training.same_run import require_same
from tests.helpers import random_batch, tiny_experiment

STREAMS = {"source": {"batches": 3}, "target": {"batches": 3}}
SCORES = Scores(step=7, target={"miou": 12.5, "mean_entropy": 0.5, "live_classes": 3})


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return override(tiny_experiment("streets_advent"), {"engine.kind": "local"})


def _method(experiment: Experiment) -> Method:
    return build_method(experiment, World(), torch.full((19,), 1 / 19))


@pytest.fixture
def saved(experiment: Experiment, tmp_path: Path) -> tuple[Path, Method]:
    """A checkpoint after one step, and the method that it is of."""
    method = _method(experiment)
    method.step(random_batch(0))
    torch.rand(5)  # not the state that a build leaves
    checkpoint.save(
        tmp_path,
        experiment=experiment,
        classes=CITYSCAPES_19,
        world=World(),
        method=method,
        progress=Progress(step=7, last=SCORES, best=SCORES),
        streams=STREAMS,
    )
    return tmp_path, method


def _restore(folder: Path, experiment: Experiment) -> Method:
    method = _method(experiment)
    checkpoint.restore(folder, experiment=experiment, world=World(), method=method)
    return method


def test_everything_comes_back(saved: tuple[Path, Method], experiment: Experiment) -> None:
    folder, method = saved
    other = _method(experiment)
    before = torch.rand(3)
    progress, streams = checkpoint.restore(
        folder, experiment=experiment, world=World(), method=other
    )
    assert progress == Progress(step=7, last=SCORES, best=SCORES)
    assert streams == STREAMS
    assert checkpoint.read_progress(folder) == progress
    drawn = torch.rand(3), np.random.rand(3), random.random()
    assert not torch.equal(before, drawn[0])
    _restore(folder, experiment)
    assert torch.equal(torch.rand(3), drawn[0])
    assert (np.random.rand(3) == drawn[1]).all()
    assert random.random() == drawn[2]
    for name, engine in method.engines.items():
        for key, value in other.engines[name].module.state_dict().items():
            assert torch.equal(value, engine.module.state_dict()[key]), f"{name}.{key}"


def test_what_is_not_listed_is_not_read(saved: tuple[Path, Method], experiment: Experiment) -> None:
    """As the files of a rank more, which an attempt that was cut off has left."""
    folder, method = saved
    first = folder / "engines/segmenter/00000.safetensors"
    shutil.copy(first, first.with_name("00001.safetensors"))
    (folder / "rank_00001.safetensors").write_bytes(b"garbage")
    other = _restore(folder, experiment)
    for key, value in other.engines["segmenter"].module.state_dict().items():
        assert torch.equal(value, method.engines["segmenter"].module.state_dict()[key])


def test_a_run_of_cpus_goes_on_on_a_gpu(saved: tuple[Path, Method], experiment: Experiment) -> None:
    """Its checkpoint has no state of a GPU's generator: all are drawn, as for other ranks."""
    folder, method = saved
    other = _method(experiment)
    world = World(device=torch.device("cuda"))
    progress, _ = checkpoint.restore(folder, experiment=experiment, world=world, method=other)
    assert progress.step == 7
    drawn = torch.rand(3)
    random_state.draw(experiment.run.seed, progress.step, rank=0)
    assert torch.equal(torch.rand(3), drawn)
    weights = other.engines["segmenter"].weights()
    for key, value in method.engines["segmenter"].weights().items():
        assert torch.equal(value, weights[key]), key


def test_the_next_step_is_the_same(saved: tuple[Path, Method], experiment: Experiment) -> None:
    """Optimiser states too: momentum of the segmenter, moments of the discriminators."""
    folder, method = saved
    other = _restore(folder, experiment)
    for one in (method, other):
        one.step(random_batch(1))
    for name, engine in method.engines.items():
        for key, value in other.engines[name].module.state_dict().items():
            assert torch.equal(value, engine.module.state_dict()[key]), f"{name}.{key}"


def test_the_weights_alone_are_a_file_for_every_reader(
    saved: tuple[Path, Method], experiment: Experiment
) -> None:
    folder, method = saved
    segmenter = build_segmenter(experiment.model, 19)
    segmenter.load_state_dict(load_file(folder / "segmenter.safetensors"))
    for key, value in segmenter.state_dict().items():
        torch.testing.assert_close(value, method.engines["segmenter"].module.state_dict()[key])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.encoder": "test_vit"}, "model.encoder = 'test_vit', .* with 'test_resnet'"),
        ({"data.classes": "camvid11"}, "data.classes = 'camvid11', .* with 'cityscapes19'"),
        ({"model.multi_level": False}, "model.multi_level = False, .* with True"),
        ({"model.discriminator_width": 8}, "model.discriminator_width = 8, .* with 4"),
        ({"optimizer.segmenter": "adamw"}, "optimizer.segmenter = 'adamw', .* with 'sgd'"),
    ],
)
def test_another_model_is_refused(
    saved: tuple[Path, Method], experiment: Experiment, changes: dict[str, Any], message: str
) -> None:
    folder, method = saved
    then = override(experiment, {"optimizer.segmenter": "sgd"})
    run = json.loads((folder / "run.json").read_text())
    run["experiment"]["optimizer"]["segmenter"] = "sgd"
    (folder / "run.json").write_text(json.dumps(run))
    with pytest.raises(CheckpointError, match=f"{message}; resume with that"):
        checkpoint.restore(
            folder,
            experiment=override(then, changes),
            world=World(),
            method=method,
        )


FILES = (
    "run.json",
    "rank_00000.safetensors",
    "segmenter.safetensors",
    "engines/segmenter/00000.safetensors",
    "engines/discriminator_aux/00000.safetensors",
)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(
    saved: tuple[Path, Method], experiment: Experiment, name: str
) -> None:
    folder, _ = saved
    (folder / name).unlink()
    with pytest.raises(CheckpointError) as caught:
        _restore(folder, experiment)
    message = str(caught.value)
    assert message.startswith(f"{folder} is no complete checkpoint: {name} is missing; copy")
    assert "\n" not in message


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_cut_short_is_named(
    saved: tuple[Path, Method], experiment: Experiment, name: str
) -> None:
    folder, _ = saved
    (folder / name).write_bytes((folder / name).read_bytes()[:100])
    with pytest.raises(CheckpointError, match=f"no complete checkpoint: {name} (has 100|is dam)"):
        _restore(folder, experiment)


def test_nothing_in_a_checkpoint_is_unpickled(saved: tuple[Path, Method]) -> None:
    """Whoever may write a bucket would run code on the workers."""
    folder, _ = saved
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {
        ".json",
        ".safetensors",
    }


def test_a_rank_s_file_of_something_else_is_refused(
    saved: tuple[Path, Method], experiment: Experiment
) -> None:
    folder, _ = saved
    file = folder / "rank_00000.safetensors"
    file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(CheckpointError, match=r"rank_00000.safetensors can't be read"):
        _restore(folder, experiment)


def test_a_head_of_other_dilations_does_not_go_on() -> None:
    """Also from a checkpoint that is older than the field: half of the head would be lost."""
    now = override(registered("gta5_cityscapes_advent"), {"model.head_dilations": 2})
    then = json.loads(json.dumps(asdict(now)))
    require_same(then, now)
    del then["model"]["head_dilations"]
    with pytest.raises(CheckpointError, match=r"model\.head_dilations = 2, .* with 4"):
        require_same(then, now)
