"""Trained segmenters, out of run folders that hold just what `train` leaves of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from advent_dist.config import Call, View
from advent_dist.config.override import override
from advent_dist.errors import CheckpointError, ConfigError, UserError
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.runs import trained
from advent_dist.runs.checkpoints import checkpoint_name
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.trained import load_run, load_runs
from advent_dist.training.progress import Progress, Scores
from tests.checkpoint_parts import write_weights
from tests.helpers import tiny_experiment

CPU = torch.device("cpu")


def trained_run(
    storage: Path,
    name: str = "run",
    seed: int = 0,
    recipe: str = "streets_advent",
    **changes: Any,
) -> tuple[str, list[Segmenter]]:
    """URL of a run folder, and the segmenters of its `last` and `best` checkpoint."""
    values = {path.replace("__", "."): value for path, value in changes.items()}
    experiment = override(
        tiny_experiment(recipe),
        {"run.storage": str(storage), "run.name": name, **values},
    )
    run = RunFolder.of(experiment)
    run.start(experiment, Call())
    segmenters = []
    num_classes = 11 if experiment.data.classes == "camvid11" else 19
    for step in (4, 2):
        torch.manual_seed(10 * seed + step)
        segmenters.append(build_segmenter(experiment.model, num_classes).eval())
        write_weights(run.url, step, segmenters[-1].state_dict())
    last, best = (
        Scores(step=step, target={"miou": 1.0, "mean_entropy": 0.5, "live_classes": 3})
        for step in (4, 2)
    )
    run.write_summary(experiment, Progress(step=4, last=last, best=best))
    return run.url, segmenters


def test_predicts_as_the_checkpoint_it_was_asked_for(tmp_path: Path) -> None:
    url, segmenters = trained_run(tmp_path)
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    outputs = []
    with torch.no_grad():
        for which, segmenter in zip(("last", "best"), segmenters, strict=True):
            run = load_run(url, which, CPU)
            outputs.append(run.predictor(images, (40, 50)))
            assert torch.equal(outputs[-1], segmenter(images, (40, 50)).main)
            assert run.classes.name == "cityscapes19"
    assert not torch.equal(*outputs)


def test_each_run_rounds_as_its_config_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[bool] = []
    monkeypatch.setattr(trained, "set_tf32", said.append)
    urls = [
        trained_run(tmp_path, name, engine__tf32=tf32)[0]
        for name, tf32 in (("one", False), ("other", True))
    ]
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    windows = View(window=(64, 64), stride=(32, 32))
    for view, times in ((None, 1), (windows, 1), (View(flip=True), 2)):
        with torch.no_grad():
            for run in load_runs(urls, "last", CPU, view):
                run.predictor(images, (40, 50))
                run.coarse(images)
        assert said == [False] * 2 * times + [True] * 2 * times
        said.clear()


def test_initial_weights_are_not_needed_any_more(tmp_path: Path) -> None:
    url, segmenters = trained_run(tmp_path, model__weights="gone.pth")
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    run = load_run(url, "last", CPU)
    with torch.no_grad():
        expected = segmenters[0](images, (40, 50)).main
        assert torch.equal(run.predictor(images, (40, 50)), expected)


def test_adapters_are_merged(tmp_path: Path) -> None:
    changes = {"model__encoder": "test_vit", "model__decoder": "linear", "model__lora__rank": 2}
    url, segmenters = trained_run(tmp_path, **changes)
    with torch.no_grad():
        for name, parameter in segmenters[0].named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
        write_weights(url, 4, segmenters[0].state_dict())
        images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
        expected = segmenters[0](images, (40, 50)).main
        run = load_run(url, "last", CPU)
        torch.testing.assert_close(run.predictor(images, (40, 50)), expected, rtol=1e-4, atol=1e-4)
    plain = build_segmenter(override(run.experiment, {"model.lora.rank": None}).model, 19)
    assert run.segmenter.state_dict().keys() == plain.state_dict().keys()


def test_a_config_that_was_changed_is_named(tmp_path: Path) -> None:
    url, _ = trained_run(tmp_path)
    config = Path(url, "config.json")
    config.write_text(config.read_text().replace('"test_resnet"', '"resnet10t"'))
    with pytest.raises(CheckpointError, match=r"does not fit .*config.json: tensor .* shape"):
        load_run(url, "last", CPU)


def test_no_run_and_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no run folder"):
        load_run(str(tmp_path), "last", CPU)
    experiment = override(tiny_experiment("streets_advent"), {"run.storage": str(tmp_path)})
    RunFolder.of(experiment).start(experiment, Call())
    with pytest.raises(CheckpointError, match=r"no summary.json yet"):
        load_run(f"{tmp_path}/streets_advent", "last", CPU)


def test_a_checkpoint_that_is_gone_is_named(tmp_path: Path) -> None:
    url, _ = trained_run(tmp_path)
    Path(url, "checkpoints", checkpoint_name(2), "segmenter.safetensors").unlink()
    load_run(url, "last", CPU)
    with pytest.raises(ValueError, match=r"step_000002.*: segmenter.safetensors, .* is missing"):
        load_run(url, "best", CPU)


def test_runs_of_one_task(tmp_path: Path) -> None:
    one, _ = trained_run(tmp_path, "one")
    other, _ = trained_run(tmp_path, "other", data__classes="camvid11")
    assert len(load_runs([one, one], "last", CPU)) == 2
    with pytest.raises(CheckpointError, match=r"one predicts cityscapes19, but .*other camvid11"):
        load_runs([one, other], "last", CPU)


@pytest.mark.parametrize("place", ["../other/checkpoints/step_000004", "/etc", 4, ""])
def test_a_summary_that_leads_elsewhere_is_refused(tmp_path: Path, place: object) -> None:
    url, _ = trained_run(tmp_path)
    trained_run(tmp_path, "other")
    summary = json.loads(Path(url, "summary.json").read_text())
    summary["checkpoints"]["last"] = place
    Path(url, "summary.json").write_text(json.dumps(summary))
    said = r"summary.json: (its last checkpoint, .* is none of|checkpoints.last = '4')"
    with pytest.raises(UserError, match=said):
        load_run(url, "last", CPU)


def test_two_resolutions_at_any_scale_and_in_windows_that_fit(tmp_path: Path) -> None:
    """HRDA's network takes images whose sides are multiples of 8."""
    size = {"data__evaluation_size": (64, 48), "data__evaluation_window": None}
    url, _ = trained_run(tmp_path, "run", 1, "streets_hrda", model__detail_crop=(32, 24), **size)
    images = torch.zeros(1, 3, 48, 64, dtype=torch.uint8)
    (run,) = load_runs([url], "last", CPU, View(scales=(0.9, 1.1), flip=True))
    assert run.predictor(images, (48, 64)).shape[2:] == (48, 64)
    with pytest.raises(
        ConfigError, match=r"--window = .* has model.detail_crop; give multiples of 8"
    ):
        load_runs([url], "last", CPU, View(window=(36, 24)))
