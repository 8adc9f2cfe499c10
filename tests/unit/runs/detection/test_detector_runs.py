"""Detectors out of run folders: scored, drawn, put to use; and what they are no use for."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from advent_dist.commands.predict import main as predict
from advent_dist.commands.report import main as report
from advent_dist.config import Call, View
from advent_dist.config.override import from_json, override, to_json
from advent_dist.data.class_sets import CITYSCAPES_BOXES_8
from advent_dist.errors import CheckpointError, ConfigError, DataError, DivergedError
from advent_dist.evaluation.detection.evaluate import BoxEvaluation
from advent_dist.report import read_run, run_report
from advent_dist.runs.comparing import compare_runs
from advent_dist.runs.detection import trained
from advent_dist.runs.detection.panels import draw_box_panels
from advent_dist.runs.detection.predict import DetectJob
from advent_dist.runs.detection.trained import is_detector, load_detector
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.images import find_images
from advent_dist.runs.prediction import predict_missing
from advent_dist.runs.scoring import rescored, score
from advent_dist.runs.serving.open import open_answerer
from advent_dist.runs.status import find_runs
from advent_dist.runs.trained import load_run
from advent_dist.training.progress import Progress, Scores
from tests.checkpoint_parts import write_weights
from tests.detection_helpers import tiny_detector
from tests.detection_runs import tiny_box_run, tiny_detectors, write_boxed_shards
from tune.report import panels as tune_panels

CPU = torch.device("cpu")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A run of a detector that finds much, and nothing right."""
    write_boxed_shards(tmp_path / "data")
    experiment = tiny_box_run(str(tmp_path / "data"), str(tmp_path / "runs"))
    run = RunFolder.of(experiment)
    run.start(experiment, Call())
    with tiny_detectors():
        for step in (4, 2):
            detector = tiny_detector(8)
            for one in detector.parameters():
                one.data *= 1 + step / 4
            write_weights(run.url, step, detector.state_dict(), "detector")
        numbers = {"map50": 12.5, "map": 6.0, "mean_entropy": 0.5, "live_classes": 3}
        last, best = (
            Scores(step=step, target={**numbers, "per_class": {"car": 10.0}}) for step in (4, 2)
        )
        progress = Progress(step=4, selected_by="target_map", last=last, best=best)
        run.write_summary(experiment, progress)
        run.append({"step": 4, "target_map": 12.5, "loss/class": 1.0})
        yield run.url


def test_the_config_of_a_detector_is_read_as_it_was_written(tmp_path: Path) -> None:
    experiment = tiny_box_run(str(tmp_path), str(tmp_path), "minent")
    assert from_json(to_json(experiment)) == experiment
    assert experiment.network == "detector"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data__labels": "pixels", "data__augment__iou_crop": False},
            "data.labels = 'pixels': .* learns from boxes",
        ),
        ({"run__select_by": "target_miou"}, "run.select_by = 'target_miou': a detector has no su"),
        ({"run__select_by": "criterion/snd"}, "choose from auto, target_map, source_map, criter"),
        ({"optimizer__layer_decay": 0.9}, "optimizer.layer_decay = 0.9: a detector's backbone"),
        ({"data__evaluation_window": (32, 32)}, "data.evaluation_window = .*sees images as a wh"),
        ({"data__rare_class_temperature": 0.1}, "data.rare_class_temperature = 0.1: images are"),
    ],
)
def test_what_does_not_go_together(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny_box_run(str(tmp_path), str(tmp_path), **changes)


def test_it_is_scored_as_in_training(url: str) -> None:
    assert is_detector(url)
    found = score([url], "last")
    assert isinstance(found, BoxEvaluation)
    assert found.images == 12
    assert found.accuracy is not None
    assert found.accuracy.boxes > 0
    again = rescored(read_run(url), str(Path(url).parents[1] / "data/evaluation"))
    assert again.evaluation("last")["map50"] == found.accuracy.map50


def test_a_folder_without_boxes_is_scored_by_criteria(url: str, tmp_path: Path) -> None:
    found = score([url], "last", str(tmp_path / "data/target"))
    assert isinstance(found, BoxEvaluation)
    assert found.accuracy is None
    assert found.images == 11
    assert "map50" not in found.to_json()


@pytest.mark.parametrize("name", ["a_boxes.json", "a_boxes.png"])
def test_boxes_by_strangers_are_not_replaced(url: str, tmp_path: Path, name: str) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    for one in (folder, out):
        one.mkdir()
    Image.new("RGB", (80, 60)).save(folder / "a.png")
    if name.endswith("png"):
        Image.new("RGB", (80, 60)).save(out / name)
    else:
        (out / name).write_text('{"boxes": []}')
    before = (out / name).read_bytes()
    images = find_images(str(folder), str(out))
    job = DetectJob(
        runs=(url,), which="last", view=View(), images=images, out=str(out), least_score=0.2
    )
    predictor = job.predictor()
    with pytest.raises(DataError, match=rf"{name} is not of advent-dist predict"):
        predict_missing(images, predictor.results, predictor.by, predictor.predict)
    assert (out / name).read_bytes() == before


def test_its_boxes_are_written_and_drawn(url: str, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", str(tmp_path / "out")
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for name in ("a", "b"):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    images = find_images(str(folder), out)
    job = DetectJob(runs=(url,), which="last", view=View(), images=images, out=out, least_score=0.2)
    predictor = job.predictor()
    predicted = predict_missing(images, predictor.results, predictor.by, predictor.predict)
    assert (predicted.new, predicted.unreadable) == (2, [])
    tree = json.loads(Path(out, "a_boxes.json").read_text())
    assert (tree["width"], tree["height"]) == (80, 60)
    scores = [box["score"] for box in tree["boxes"]]
    assert scores == sorted(scores, reverse=True)
    for box in tree["boxes"]:
        left, top, right, bottom = box["xyxy"]
        assert 0 <= left < right <= 80
        assert 0 <= top < bottom <= 60
        assert CITYSCAPES_BOXES_8.names[box["train_id"]] == box["class"]
    drawn = np.asarray(Image.open(Path(out, "a_boxes.png")))
    sure = sum(one >= 0.2 for one in scores)
    assert sum(predicted.seen["a.png"].found.values()) == sure > 0
    assert (drawn != pixels).any()
    assert (np.asarray(predictor.results.picture("a.png")) == drawn).all()
    # What is there is not made again, unless it is another's or damaged.
    again = predict_missing(images, predictor.results, predictor.by, predictor.predict)
    assert (again.new, again.seen) == (0, predicted.seen)
    Path(out, "a_boxes.json").write_text(json.dumps({**tree, "made_of": {"by": 1}}))
    assert predictor.results.there(images.stamps, predictor.by).keys() == {"b.png"}
    assert not predictor.results.there(images.stamps, "another")
    Path(out, "b_boxes.png").write_bytes(Path(out, "b_boxes.png").read_bytes()[:-1])
    assert not predictor.results.there(images.stamps, predictor.by)


def test_its_boxes_are_served(url: str, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    images = []
    for name, shape in (("a", (60, 80, 3)), ("b", (30, 20, 3))):
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        images.append(Image.fromarray(noise))
        images[-1].save(folder / f"{name}.png")
    assert predict([url, "--images", str(folder), "--out", str(out)]) == 0
    answerer, about = open_answerer([url], "last", View())
    assert (about.steps, about.answers) == ((4,), ("json", "picture"))
    assert about.classes == CITYSCAPES_BOXES_8.names
    for name, image in zip("ab", images, strict=True):
        (as_json,), (picture,) = (answerer.answers([image], [kind]) for kind in about.answers)
        written = json.loads((out / f"{name}_boxes.json").read_text())
        assert json.loads(as_json.body) == {k: written[k] for k in ("width", "height", "boxes")}
        drawn = Image.open(out / f"{name}_boxes.png")
        assert (np.asarray(Image.open(io.BytesIO(picture.body))) == np.asarray(drawn)).all()
    together = answerer.to(CPU).answers(images, ["picture", "json"])
    assert Image.open(io.BytesIO(together[0].body)).size == (80, 60)
    assert json.loads(together[1].body)["width"] == 20
    with pytest.raises(ConfigError, match="--flip = True: a detector looks at images once"):
        open_answerer([url], "last", View(flip=True))


def test_it_rounds_as_its_config_says(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[bool] = []
    monkeypatch.setattr(trained, "set_tf32", said.append)
    run = load_detector([url], "last", CPU)
    images = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    for tf32 in (False, True):
        changed = override(run.experiment, {"engine.tf32": tf32})
        replace(run, experiment=changed).find(images, [(64, 64)])
    assert said == [False, True]


def test_panels_and_the_page_of_a_run(url: str) -> None:
    run = load_detector([url], "last", CPU)
    panels = draw_box_panels({"last": run}, number=2)
    assert [panel.caption for panel in panels] == ["e0000", "e0001"]
    picture = Image.open(io.BytesIO(panels[1].png))
    assert picture.width > 2 * 384
    page = run_report(read_run(url))
    assert "AP of each class" in page
    assert "mIoU" not in page
    assert "12.5" in page


def test_status_shows_its_map(url: str) -> None:
    (status,) = find_runs(str(Path(url).parent), 1e9)
    assert (status.last_accuracy, status.selected_by, status.last) == (12.5, "target_map", 12.5)


def test_what_is_for_segmenters_says_so(url: str) -> None:
    with pytest.raises(ConfigError, match=r"trains a detector .*, and this is for segmenters"):
        load_run(url, "last", CPU)
    with pytest.raises(ConfigError, match=r"--flip = True: a detector looks at images once"):
        load_detector([url], "last", CPU, View(flip=True))
    with pytest.raises(ConfigError, match="boxes of several detectors are not averaged"):
        load_detector([url, url], "last", CPU)


def test_weights_of_another_network(url: str) -> None:
    write_weights(url, 4, {"a": torch.ones(1)}, "detector")
    with pytest.raises(CheckpointError, match=r"the last checkpoint does not fit its config.json"):
        load_detector([url], "last", CPU)


def test_a_detector_that_has_diverged_says_so(url: str, tmp_path: Path) -> None:
    broken = {name: value * torch.nan for name, value in tiny_detector(8).state_dict().items()}
    write_weights(url, 4, broken, "detector")
    Image.new("RGB", (80, 60)).save(tmp_path / "a.png")
    with pytest.raises(DivergedError, match="predictions are not finite"):
        predict([url, "--images", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--score", "2"], "--score = 2.0: a probability is 0 to 1"),
        (["--score", "nan"], "--score = nan: a probability is 0 to 1"),
        (["--overlay"], "--overlay = True: boxes are drawn over the images anyway"),
        (["--flip"], "--flip = True: a detector looks at images once"),
    ],
)
def test_flags_of_predict(url: str, tmp_path: Path, flags: list[str], message: str) -> None:
    Image.new("RGB", (80, 60)).save(tmp_path / "a.png")
    with pytest.raises(ConfigError, match=message):
        predict([url, "--images", str(tmp_path / "a.png"), "--out", str(tmp_path / "o"), *flags])


def test_two_detectors_on_one_page(url: str, tmp_path: Path) -> None:
    """They are scored on the same images, and not judged; without labels there is no page."""
    runs, data = [url, f"{url}_2"], tmp_path / "data"
    shutil.copytree(url, runs[1])
    out = tmp_path / "page.html"
    assert report([*runs, "--data", str(data / "evaluation"), "--out", str(out)]) == 0
    page = out.read_text()
    assert "AP of each class, last snapshot" in page
    assert "look at their spread" in page
    with pytest.raises(DataError, match="target has no labels, and only labels tell"):
        report([*runs, "--data", str(data / "target"), "--out", str(out)])
    with pytest.raises(ConfigError, match="whether a detector is better is not told image by im"):
        compare_runs(runs[:1], runs[1:], "last")


def test_a_sweeps_page_draws_boxes(url: str) -> None:
    panels, missing = tune_panels._draw({"best": url, "other": f"{url}_gone"}, None)
    assert len(panels) == tune_panels.NUMBER
    assert "other" in missing
