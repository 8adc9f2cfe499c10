from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from advent_dist import cli
from advent_dist.data.loader import TrainingLoader
from advent_dist.data.members import Files, samples_in
from advent_dist.data.store import open_folder, read_manifest
from advent_dist.runs.labelling.labeller import Labeller
from advent_dist.runs.trained import load_run
from shards import relabel
from shards.options import BuildOptions
from shards.verify import verify
from tests.shard_helpers import examples, write_shards
from tests.unit.runs.test_trained import trained_run

COUNT = 7
SIZE = (96, 64)


@pytest.fixture
def run(tmp_path: Path) -> str:
    write_shards(str(tmp_path / "data" / "target"), examples(COUNT, SIZE), labelled=False)
    folders = {"data__root": str(tmp_path / "data"), "data__target": "target"}
    return trained_run(tmp_path, data__classes="camvid11", data__evaluation_size=SIZE, **folders)[0]


def label(run: str, to: Path, *flags: str) -> int:
    return cli.run(["pseudo-label", run, "--to", str(to), *flags])


def samples(folder: Path) -> dict[str, Files]:
    """Key -> files of each sample, in the order of the shards."""
    store, manifest = open_folder(str(folder)), read_manifest(str(folder))
    return {
        key: files
        for shard in manifest.shards
        for block in shard.blocks
        for key, files in samples_in(
            store.read_range(shard.name, block.offset, block.offset + block.num_bytes)
        )
    }


def labels(folder: Path) -> np.ndarray:
    """uint8 [images, h, w]."""
    found = [Image.open(io.BytesIO(files["label.png"])) for files in samples(folder).values()]
    return np.stack([np.asarray(one) for one in found])


def test_every_pixel_as_predict_says(run: str, tmp_path: Path) -> None:
    """And images to the byte as they were."""
    to = tmp_path / "labelled"
    assert label(run, to, "--rule", "all") == 0
    assert verify(str(to)).problems == ()
    there, before = samples(to), samples(tmp_path / "data" / "target")
    assert list(there) == list(before)
    assert [one["image.png"] for one in there.values()] == [
        one["image.png"] for one in before.values()
    ]
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for key, files in before.items():
        (photographs / f"{key}.png").write_bytes(files["image.png"])
    out = tmp_path / "out"
    assert cli.run(["predict", run, "--images", str(photographs), "--out", str(out)]) == 0
    seen = [np.asarray(Image.open(out / f"{key}_trainid.png")) for key in before]
    assert (labels(to) == np.stack(seen)).all()


def test_the_surest_of_each_class(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert label(run, tmp_path / "all", "--rule", "all") == 0
    assert (
        label(
            run, tmp_path / "fda", "--rule", "class_capped", "--portion", "0.3", "--threshold", "1"
        )
        == 0
    )
    every, sure = labels(tmp_path / "all"), labels(tmp_path / "fda")
    labelled = sure != 255
    assert (sure[labelled] == every[labelled]).all()
    for one in np.flatnonzero(np.bincount(every.ravel()) > 500):
        assert labelled[every == one].mean() == pytest.approx(0.3, abs=0.02)
    said = capsys.readouterr().out
    assert f"{COUNT} images -> {tmp_path / 'fda'}: " in said


def test_windows_average_logits_or_probabilities(run: str, tmp_path: Path) -> None:
    """Their labels say which: an interrupted call goes on by the same alone."""
    made = {}
    for average in ("logits", "probabilities"):
        to, rule = tmp_path / average, ["--rule", "all", "--window", "64", "32"]
        assert label(run, to, *rule, "--average", average) == 0
        made[average] = read_manifest(str(to)).dataset
        assert (labels(to) != 255).all()
    assert made["logits"] != made["probabilities"]


def test_easy_images_are_labelled_and_hard_ones_are_not(run: str, tmp_path: Path) -> None:
    to, hard = tmp_path / "easy", tmp_path / "hard"
    assert label(run, to, "--rule", "all", "--easy", "0.67", "--hard-to", str(hard)) == 0
    assert len(samples(to)) == 4
    assert not read_manifest(str(hard)).labelled
    keys = {f"s{number:04d}" for number in range(COUNT)}
    assert samples(to).keys() | samples(hard).keys() == keys
    assert not samples(to).keys() & samples(hard).keys()


def test_labels_are_a_source_to_train_on(run: str, tmp_path: Path) -> None:
    assert label(run, tmp_path / "data" / "labelled", "--rule", "all") == 0
    data = load_run(run, "last", torch.device("cpu")).experiment.data
    loader = TrainingLoader(replace(data, source="labelled"), rank=0, world_size=1, seed=0)
    batch = next(loader)
    loader.close()
    assert batch.source_label.unique().max() < 11


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--portion", "0"], "--portion = 0.0: give a share in (0, 1]"),
        (["--threshold", "2"], "--threshold = 2.0: give a share in (0, 1]"),
        (["--hard-to", "elsewhere"], "--hard-to elsewhere: give --easy"),
        (["--rule", "confident", "--threshold", "1"], "no pixel is sure enough"),
        (["--easy", "0.1"], "none of its images"),
        (["--images", "nowhere"], "nowhere"),
        (["--average", "logits"], "--average = 'logits': there are no windows"),
    ],
)
def test_what_can_not_be(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert label(run, tmp_path / "to", *flags) == 1
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "to" / "manifest.json").exists()


def test_nothing_is_replaced_unasked(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "labelled"
    assert label(run, to, "--rule", "all") == 0
    assert label(run, to, "--rule", "all") == 1
    assert "holds shards already" in capsys.readouterr().err
    assert label(run, to, "--rule", "all", "--overwrite") == 0


def test_an_interrupted_call_goes_on(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the shards that were done, to the same bytes."""
    monkeypatch.setattr(relabel, "BuildOptions", partial(BuildOptions, shard_mb=0.02))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert label(run, whole, "--rule", "all") == 0
    made, most, labelled = 0, 4, Labeller.label

    def until(*arguments: Any, **options: Any) -> Any:
        nonlocal made
        if made == most:
            raise KeyboardInterrupt
        made += 1
        return labelled(*arguments, **options)

    monkeypatch.setattr(Labeller, "label", until)
    assert label(run, broken, "--rule", "all") == 130
    assert not (broken / "manifest.json").exists()
    made, most = 0, COUNT - 3
    assert label(run, broken, "--rule", "all") == 0
    assert samples(broken) == samples(whole)


@pytest.mark.parametrize(
    ("to", "hard", "said"),
    [
        ("data/target", None, "--to = .*: the same as --images"),
        ("data/../data/target/", None, "--to = .*: the same as --images"),
        ("labelled", "data/target", "--hard-to = .*: the same as --images"),
        ("labelled", "labelled", "--hard-to = .*: the same as --to"),
    ],
)
def test_the_images_are_not_overwritten(
    run: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    to: str,
    hard: str | None,
    said: str,
) -> None:
    target = tmp_path / "data" / "target"
    before = {path: path.read_bytes() for path in target.iterdir()}
    flags = [] if hard is None else ["--easy", "0.5", "--hard-to", f"{tmp_path}/{hard}"]
    assert label(run, Path(f"{tmp_path}/{to}"), "--overwrite", *flags) == 1
    assert re.search(said, capsys.readouterr().err)
    assert {path: path.read_bytes() for path in target.iterdir()} == before


def test_what_was_begun_of_other_images_is_not_gone_on_with(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though they are called alike."""
    monkeypatch.setattr(relabel, "BuildOptions", partial(BuildOptions, shard_mb=0.02))
    other = tmp_path / "other"
    write_shards(str(other), examples(COUNT + 1, SIZE)[:COUNT], labelled=False)
    labelled = Labeller.label
    made = 0

    def until(*arguments: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        if made > 4:
            raise KeyboardInterrupt
        return labelled(*arguments, **options)

    monkeypatch.setattr(Labeller, "label", until)
    to = tmp_path / "labelled"
    assert label(run, to, "--rule", "all") == 130
    monkeypatch.setattr(Labeller, "label", labelled)
    assert label(run, to, "--rule", "all", "--images", str(other)) == 1
    assert label(run, to, "--rule", "all", "--images", str(other), "--overwrite") == 0
    images = {key: files["image.png"] for key, files in samples(to).items()}
    assert images == {key: files["image.png"] for key, files in samples(other).items()}
