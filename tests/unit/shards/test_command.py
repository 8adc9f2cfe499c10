from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from advent_dist.commands.shards import main
from advent_dist.config import DataConfig
from advent_dist.data.store import read_manifest
from advent_dist.errors import DataError
from shards.streets_data import PARTS, build_streets_data, ensure_streets
from shards.verify import verify
from tests.unit.shards import layouts


def test_build_verify_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, destination = layouts.camvid(tmp_path / "camvid"), str(tmp_path / "out")
    command = ["build", "camvid", str(source), destination, "--splits", "train", "val"]
    assert main([*command, "--resize", "6", "4", "--format", "webp"]) == 0
    assert "4 samples" in capsys.readouterr().out
    assert main(["verify", destination, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_samples"] == 4
    assert main(["info", destination]) == 0
    shown = capsys.readouterr().out
    assert "camvid11" in shown
    assert "pedestrian" in shown


def test_a_build_names_classes_without_a_pixel_and_what_it_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    source = layouts.camvid(tmp_path / "camvid", values=[3, 11])
    (source / "train" / "list.txt").touch()
    assert main(["build", "camvid", str(source), str(tmp_path / "out")]) == 0
    said = "no labelled pixel in 10 of the 11 classes: sky, building, pole, pavement"
    assert f"warning: {tmp_path}/out: {said}" in capsys.readouterr().err
    assert f"{source}/train: left alone: 1 file (list.txt)" in caplog.text


def test_streets_need_no_source(tmp_path: Path) -> None:
    command = ["build", "streets", str(tmp_path), "--look", "fog", "--count", "3"]
    assert main([*command, "--size", "40", "20", "--seed", "5"]) == 0
    assert read_manifest(str(tmp_path)).num_samples == 3


def test_verify_fails_with_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["build", "streets", str(tmp_path), "--count", "2", "--size", "40", "20"])
    (tmp_path / "000000.tar").unlink()
    assert main(["verify", str(tmp_path)]) == 1
    assert "000000.tar" in capsys.readouterr().out


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["list"]) == 2
    assert "no command 'list'" in capsys.readouterr().err
    assert main(["--help"]) == 0
    with pytest.raises(DataError, match="no data set 'nyu'; choose from"):
        main(["build", "nyu", "a", "b"])
    with pytest.raises(SystemExit):
        main(["build", "streets", "a", "--address", "auto"])
    assert "--address auto is of use with --ray only" in capsys.readouterr().err
    with pytest.raises(DataError, match="--processes is of use without --ray only"):
        main(["build", "streets", "a", "--ray", "--processes", "2"])


def test_streets_data_is_built_once_and_only_where_missing(tmp_path: Path) -> None:
    built = build_streets_data(
        str(tmp_path), size=(40, 20), num_training=3, num_evaluation=2, processes=1
    )
    assert built == [str(tmp_path / name) for name in PARTS]
    manifests = {name: read_manifest(str(tmp_path / name)) for name in PARTS}
    assert [m.num_samples for m in manifests.values()] == [3, 2, 3, 2, 2]
    assert [name for name, m in manifests.items() if not m.labelled] == ["streets/dusk/train"]
    assert all(verify(url).problems == () for url in built)

    shutil.rmtree(tmp_path / "streets/dusk/val")
    again = build_streets_data(str(tmp_path), size=(40, 20), num_evaluation=2, processes=1)
    assert again == [str(tmp_path / "streets/dusk/val")]


def test_other_experiments_build_no_streets(tmp_path: Path) -> None:
    data = DataConfig(
        root=str(tmp_path),
        source="gta5/train",
        target="cityscapes/train",
        evaluation="cityscapes/val",
        classes="cityscapes19",
        source_size=(40, 20),
        target_size=(40, 20),
        evaluation_size=(40, 20),
    )
    assert ensure_streets(data) == []
    assert list(tmp_path.iterdir()) == []
