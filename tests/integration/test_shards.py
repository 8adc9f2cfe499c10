"""The shard tools against a real S3 server, a real Ray and `kill -9`."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from advent_dist.commands.shards import main
from advent_dist.data.store import open_folder, read_manifest
from advent_dist.errors import DataError
from cluster.encode import on_ray
from shards.camvid import CamVid
from shards.encode import Encoder
from shards.options import BuildOptions
from shards.streets.reader import Streets
from shards.verify import verify
from shards.write import build
from tests.shard_helpers import examples, write_shards

STREETS = ["streets", "--count", "120", "--size", "96", "48", "--shard-mb", "0.1"]
READER, OPTIONS = Streets(count=120, size=(96, 48)), BuildOptions(shard_mb=0.1, processes=1)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed build on this machine writes."""
    folder = tmp_path_factory.mktemp("whole")
    manifest = build(READER, str(folder), OPTIONS)
    assert len(manifest.shards) > 4
    return contents(folder)


def test_a_killed_build_goes_on_and_leaves_nothing_behind(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    out = tmp_path / "out"
    call = "import sys; from advent_dist.commands.shards import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", call, "build", *STREETS, str(out), "--processes", "2"]
    builder = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while not (out / "000001.json").exists():
        assert builder.poll() is None, "it is through before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    family = psutil.Process(builder.pid).children(recursive=True)
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    assert not (out / "manifest.json").exists()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive, "worker processes outlive the build"

    finished = (out / "000000.tar").stat().st_mtime_ns
    assert main(["build", *STREETS, str(out), "--processes", "1"]) == 0
    assert contents(out) == whole
    assert (out / "000000.tar").stat().st_mtime_ns == finished


@pytest.mark.usefixtures("ray_session")
def test_a_build_on_ray_writes_the_same_bytes(tmp_path: Path, whole: dict[str, bytes]) -> None:
    assert main(["build", *STREETS, str(tmp_path), "--ray"]) == 0
    assert contents(tmp_path) == whole


@pytest.mark.usefixtures("ray_session")
def test_a_source_that_nodes_do_not_see_is_named(tmp_path: Path) -> None:
    # On one machine, files that vanish after they were listed stand for a folder of one node only.
    names = ["0001TP_1", "0001TP_2"]
    for folder in ("train", "trainannot"):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.png").touch()
    items = CamVid(tmp_path).items(labelled=True)
    for name in names:
        (tmp_path / "train" / f"{name}.png").unlink()
    encoder = Encoder(num_classes=11, labelled=True, image_format="jpg", quality=95, resize=None)
    message = r"^node \S+: \S+/train/0001TP_1\.png: .* every node must see SRC at this path"
    with on_ray(None) as encode, pytest.raises(DataError, match=message):
        list(encode(encoder, items))


def test_build_verify_and_show_on_object_storage(
    bucket: str, tmp_path: Path, whole: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{bucket}/streets"
    assert main(["build", *STREETS, url]) == 0
    folder = open_folder(url)
    assert {name: folder.read(name) for name in folder.list()} == whole
    assert main(["verify", url]) == 0
    assert "all well" in capsys.readouterr().out
    assert main(["show", url, "--out", f"{bucket}/pages/streets.html", "--samples", "6"]) == 0
    page = open_folder(f"{bucket}/pages").read("streets.html").decode()
    assert len(re.findall(r"<figure>", page)) == 6
    with pytest.raises(DataError, match=r"s3://bucket/none/manifest\.json: there is no such"):
        main(["show", f"{bucket}/none", "--out", str(tmp_path / "page.html")])


def test_verify_finds_damage_on_object_storage(bucket: str) -> None:
    url = f"{bucket}/damaged"
    write_shards(url, examples(18), per_shard=6, per_block=2)
    folder = open_folder(url)
    whole = [folder.read(f"shard-0000{number}.tar") for number in range(3)]
    folder.write("shard-00000.tar", whole[0][:3000])
    folder.write("shard-00001.tar", whole[1] + bytes(512))
    folder.remove("shard-00002.tar")
    short, long, missing = verify(url).problems
    assert "shard-00000.tar: bytes" in short
    assert "shard-00001.tar: it has more than" in long
    assert "shard-00002.tar: there is no such object" in missing


def test_own_images_and_tars_in_object_storage(bucket: str, tmp_path: Path) -> None:
    own = open_folder(f"{bucket}/own")
    for number in range(3):
        image, label = io.BytesIO(), io.BytesIO()
        Image.new("RGB", (12, 8), (number, 0, 0)).save(image, "PNG")
        Image.new("L", (12, 8), 7 + number % 2).save(label, "PNG")
        own.write(f"img/day {number}/ü.png", image.getvalue())
        own.write(f"gt/day {number}/ü_ids.png", label.getvalue())
    own.write("classes.yaml", b"name: two\nclasses: [{name: a, ids: [7]}, {name: b, ids: [8]}]\n")
    command = ["build", "folder", own.url, f"{bucket}/mine", "--images", "img/**/*.png"]
    command += ["--labels", "gt/{path}_ids.png", "--classes", f"{own.url}/classes.yaml"]
    assert main(command) == 0
    built = read_manifest(f"{bucket}/mine")
    assert (built.class_names, built.class_histogram) == (("a", "b"), (192, 96))

    tars = open_folder(f"{bucket}/tars")
    tars.write("mine.tar", open_folder(f"{bucket}/mine").read("000000.tar"))
    own.write("ids.yaml", b"name: two\nclasses: [{name: a, ids: [0]}, {name: b, ids: [1]}]\n")
    command = ["adopt", tars.url, "--image", "image.jpg", "--label", "label.png"]
    assert main([*command, "--classes", f"{own.url}/ids.yaml"]) == 0
    assert read_manifest(tars.url).class_histogram == built.class_histogram
    assert verify(tars.url).problems == ()
