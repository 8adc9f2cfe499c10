"""What is answered is what `predict` writes."""

from __future__ import annotations

import json
import pickle
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from advent_dist import cli
from advent_dist.config import View
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.runs.serving.open import open_answerer
from tests.checkpoint_parts import write_weights
from tests.unit.runs.test_trained import trained_run


def varied_run(storage: Path) -> str:
    """A run whose masks of `write_noise` have many classes, sure and unsure."""
    run, (segmenter, _) = trained_run(storage, data__classes="camvid11")
    noise = np.random.default_rng(9).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)
    with torch.no_grad():
        logits = segmenter.coarse(torch.from_numpy(noise)).values
    mean, spread = logits.mean((0, 2, 3)), logits.std((0, 2, 3))
    weights = segmenter.state_dict()
    for name, values in weights.items():
        if "main_head" in name:
            # Of several convolutions, whose outputs are added, one takes the mean away.
            values -= mean if name.endswith("0.bias") else 0
            values /= spread.reshape(-1, *[1] * (values.ndim - 1))
    write_weights(run, 4, weights)
    return run


def write_noise(folder: Path, *shapes: tuple[int, int]) -> list[Image.Image]:
    folder.mkdir()
    images = []
    for number, shape in enumerate(shapes):
        noise = np.random.default_rng(number).integers(0, 256, (*shape, 3), dtype=np.uint8)
        images.append(Image.fromarray(noise))
        images[-1].save(folder / f"{number}.png")
    return images


def pixels(png: bytes | Path) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png) if isinstance(png, bytes) else png))


def test_a_segmenters_pictures(tmp_path: Path) -> None:
    run = varied_run(tmp_path)
    images, out = write_noise(tmp_path / "images", (48, 64), (100, 30)), tmp_path / "out"
    line = ["predict", run, "--images", str(tmp_path / "images"), "--out", str(out), "--overlay"]
    assert cli.run(line) == 0
    answerer, about = open_answerer([run], "last", View())
    assert (about.runs, about.checkpoint, about.steps) == (("run",), "last", (4,))
    assert about.answers == ("trainid", "colour", "overlay", "entropy", "json")
    assert len(about.classes) == 11
    answerer = pickle.loads(pickle.dumps(answerer)).to(torch.device("cpu"))
    files = {kind: kind for kind in about.answers if kind != "json"} | {"colour": "color"}
    for number, image in enumerate(images):
        for kind, file in files.items():
            (answer,) = answerer.answers([image], [kind])
            assert (answer.status, answer.media_type) == (200, "image/png")
            np.testing.assert_array_equal(pixels(answer.body), pixels(out / f"{number}_{file}.png"))
        (answer,) = answerer.answers([image], ["json"])
        tree = json.loads(answer.body)
        assert (tree["width"], tree["height"]) == image.size
        train_ids = pixels(out / f"{number}_trainid.png")
        assert len(np.unique(train_ids)) > 3
        shares = {one["train_id"]: one["share"] for one in tree["classes"]}
        assert shares == {k: round((train_ids == k).mean(), 6) for k in range(11)}
        assert [one["class"] for one in tree["classes"]] == list(about.classes)
        noted = json.loads(Image.open(out / f"{number}_trainid.png").info["advent_dist"])
        assert tree["mean_entropy"] == pytest.approx(noted["entropy"], abs=1e-4)


def test_an_ensemble(tmp_path: Path) -> None:
    run = varied_run(tmp_path)
    other = str(shutil.copytree(run, tmp_path / "other"))
    weights = load_file(f"{run}/checkpoints/step_000004/segmenter.safetensors")
    write_weights(other, 4, {name: values.flip(0) for name, values in weights.items()})
    (image,), out = write_noise(tmp_path / "images", (48, 64)), tmp_path / "out"
    line = ["predict", run, other, "--images", str(tmp_path / "images"), "--out", str(out)]
    assert cli.run(line) == 0
    answerer, about = open_answerer([run, other], "last", View())
    assert (about.runs, about.steps) == (("run", "other"), (4, 4))
    alone = [open_answerer([one], "last", View())[0] for one in (run, other)]
    for kind in ("trainid", "entropy"):
        both, *each = (pixels(one.answers([image], [kind])[0].body) for one in (answerer, *alone))
        np.testing.assert_array_equal(both, pixels(out / f"0_{kind}.png"))
        assert all((both != one).any() for one in each)


def test_images_of_several_sizes_go_through_the_network_together(tmp_path: Path) -> None:
    run = varied_run(tmp_path)
    images = write_noise(tmp_path / "images", (48, 64), (100, 30), (20, 20))
    answerer, _ = open_answerer([run], "last", View(flip=True))
    together = answerer.answers(images, ["trainid", "entropy", "json"])
    for image, kind, answer in zip(images, ("trainid", "entropy", "json"), together, strict=True):
        (alone,) = answerer.answers([image], [kind])
        assert answer.media_type == alone.media_type
        if kind == "json":
            assert json.loads(answer.body)["width"] == 20
        else:
            # The last bit of a logit may depend on its company.
            differ = pixels(answer.body) != pixels(alone.body)
            assert differ.shape == image.size[::-1]
            assert differ.mean() < 0.01


def test_what_can_not_be_served(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no run folder"):
        open_answerer([str(tmp_path)], "last", View())
    run, _ = trained_run(tmp_path)
    Path(run, "checkpoints", "step_000002", "segmenter.safetensors").unlink()
    assert open_answerer([run], "last", View())[1].steps == (4,)
    with pytest.raises(CheckpointError, match=r"step_000002.* is missing"):
        open_answerer([run], "best", View())
