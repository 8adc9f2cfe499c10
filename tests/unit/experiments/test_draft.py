"""What `advent-dist new` writes is an experiment, whatever is in the names."""

from __future__ import annotations

from typing import Literal

import pytest

from advent_dist.config import Experiment
from advent_dist.errors import ConfigError
from advent_dist.experiments.draft import MIXING, Method, common_root, draft, function_name
from advent_dist.experiments.file import experiment_in_text
from advent_dist.experiments.recipe import Domain, recipe_for
from advent_dist.runs.rehearsal import rehearse

Device = Literal["cpu", "gpu"]


def _domain(folder: str = "data/a", samples: int = 100, **changes: object) -> Domain:
    given = {"folder": folder, "num_samples": samples, "labelled": True, "size": (640, 480)}
    return Domain(**{**given, **changes})  # type: ignore[arg-type]


def _drafted(
    device: Device,
    method: Method = "advent",
    *domains: Domain,
    file: str = "houses.py",
    count: int = 2,
) -> Experiment:
    source, target, *rest = domains or (_domain(), _domain("data/b"))
    evaluation = rest[0] if rest else None
    one_size = method in MIXING
    recipe = recipe_for(device, count, source, target, evaluation, one_size=one_size)
    text = draft(file, method, recipe, source, target, evaluation, 2)
    assert 30 <= len(text.splitlines()) <= 45
    return experiment_in_text(text, file)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("method", ["advent", "minent", "dacs", "mic", "source_only"])
def test_every_recipe_is_an_experiment(device: Device, method: Method) -> None:
    made = _drafted(device, method)
    assert (made.name, made.method.name) == ("houses", method)
    assert (made.data.root, made.data.source, made.data.target) == ("data", "a", "b")
    assert made.data.evaluation is None
    assert made.optimizer.horizon == made.run.steps
    assert made.run.steps % made.run.evaluate_every == 0
    assert made.cluster.gpus_per_worker == ("auto" if device == "gpu" else 0)
    assert made.cluster.workers == 2
    assert made.engine.precision == ("bf16" if device == "gpu" else "fp32")


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_its_networks_take_its_images(device: Device) -> None:
    """Also those of a shape that nothing was made for."""
    odd = _domain(size=(1242, 375)), _domain("data/b", size=(47, 99))
    rehearse(_drafted(device, "advent", *odd), num_classes=2)


def test_images_keep_their_shape() -> None:
    large, small = _domain(size=(4000, 3000)), _domain("data/b", size=(99, 50))
    on_cpus = _drafted("cpu", "advent", large, small, _domain("data/c", size=(10, 2000))).data
    assert on_cpus.source_size == (320, 240)
    assert on_cpus.target_size == (96, 48)
    assert on_cpus.evaluation_size == (32, 320)
    assert on_cpus.evaluation == "c"
    assert _drafted("gpu", "advent", large, small).data.source_size == (1024, 768)
    assert _drafted("gpu", "mic", large, small).data.source_size == (96, 48), "mixed: as target"


def test_a_gpu_takes_more_of_smaller_images() -> None:
    by_size = {
        size: _drafted("gpu", "advent", *2 * (_domain(size=size),)).data.batch_size_per_rank
        for size in ((2048, 1024), (1280, 1280), (512, 512), (64, 64))
    }
    assert list(by_size.values()) == [2, 1, 4, 8]


def test_long_recipes_go_through_the_data_as_the_paper_does() -> None:
    gta5, cityscapes = _domain(samples=24_966), _domain("data/b", samples=2_975, size=(2048, 1024))
    assert _drafted("gpu", "advent", gta5, cityscapes, count=2).run.steps == 31_300
    assert _drafted("gpu", "advent", gta5, cityscapes, count=1).run.steps == 62_500
    assert _drafted("gpu").run.steps == 2_000
    many = _domain(samples=10**7)
    assert _drafted("gpu", "advent", many, many).run.steps == 120_000


def test_no_more_workers_than_images_or_cores() -> None:
    assert _drafted("gpu", "advent", _domain(samples=3), _domain(), count=8).cluster.workers == 3
    assert _drafted("cpu", count=1).cluster.workers == 1
    assert _drafted("cpu", count=64).cluster.workers == 2


@pytest.mark.parametrize(
    ("folders", "root", "relative"),
    [
        (["data/a/train", "data/b/train"], "data", ["a/train", "b/train"]),
        (["./a", "b/"], ".", ["a", "b"]),
        (["data/a", "data/a"], "data", ["a", "a"]),
        (["/x/a", "/y/b"], "/", ["x/a", "y/b"]),
        (["s3://one/x/a/", "s3://one/x/b/c"], "s3://one/x", ["a", "b/c"]),
        (["s3://one/a", "s3://one/b"], "s3://one", ["a", "b"]),
        (["s3://one/a", "s3://two/a"], ".", ["s3://one/a", "s3://two/a"]),
        (["s3://one/a", "gs://one/b"], ".", ["s3://one/a", "gs://one/b"]),
        (["s3://one/a", "/y/b"], ".", ["s3://one/a", "/y/b"]),
        (["s3://one", "s3://one/b"], ".", ["s3://one", "s3://one/b"]),
    ],
)
def test_what_folders_have_in_common(folders: list[str], root: str, relative: list[str]) -> None:
    assert common_root(folders) == (root, relative)


def test_names_of_folders_stay_text() -> None:
    odd = ['x"""/a', "x\n\\/b", "données/\udce9"]
    made = _drafted("cpu", "advent", *map(_domain, odd)).data
    assert [made.source, made.target, made.evaluation] == odd


def test_names_of_files_are_names_of_functions() -> None:
    made = _drafted("cpu", file="experiments/my-houses.2.py")
    assert made.name == "my-houses.2"
    assert function_name("my-houses.2") == "my_houses_2"
    for name in ("class", "config"):
        with pytest.raises(ConfigError, match="a word of the file's own language"):
            function_name(name)
    for name in ("3d", "_x", "", 'a"b', "a b", "é"):
        with pytest.raises(ConfigError, match="give letters"):
            function_name(name)
