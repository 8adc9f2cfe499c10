"""What a card and a config say of a run, and what they don't."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from advent_dist import cli
from advent_dist.commands.train import parse
from advent_dist.config.override import override, to_json
from advent_dist.data.class_file import class_file_text
from advent_dist.data.classes import ClassSet
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.experiments import experiment
from advent_dist.export.card import _plain
from advent_dist.export.public import place, public
from advent_dist.export.snapshot import snapshot_of
from advent_dist.runs.folder import RunFolder
from advent_dist.training.progress import Progress, Scores
from tests.unit.runs.test_trained import trained_run

SECRETS = {
    "data__root": "/home/alice/shards",
    "data__source": "/home/alice/hidden/gta5/train",
    "data__target": "s3://secret-bucket/team/city/train",
    "data__evaluation": "city/val",
    "data__cache_dir": "/home/alice/cache",
    "data__classes": "camvid11",
    "model__weights": "/home/alice/initial.pth",
    "cluster__address": "10.0.0.7:6379",
}


def scored(storage: Path, name: str, miou: float, **changes: Any) -> RunFolder:
    """A run whose last and best snapshot have these scores."""
    url, _ = trained_run(storage, name, **{**SECRETS, **changes})
    run = RunFolder.open(url)
    labels = {"miou": miou, "per_class": {"sky": 80.0, "tree": None}, "subsets": {"things": 20.0}}
    target = {"mean_entropy": 0.25, "live_classes": 3, **(labels if miou else {})}
    by = "target_miou" if miou else "criterion/information_maximisation"
    last, best = (Scores(step=step, target=target) for step in (4, 2))
    run.write_summary(run.experiment(), Progress(step=4, last=last, best=best, selected_by=by))
    return run


def exported(run: RunFolder, to: Path, *flags: str) -> tuple[dict[str, Any], str]:
    """Header and text of its card."""
    assert cli.run(["export", run.url, "--to", str(to), *flags]) == 0
    _, header, text = (to / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(header), text


def test_one_training(tmp_path: Path) -> None:
    run = scored(tmp_path, "city", 40.0)
    header, text = exported(run, tmp_path / "out", "--license", "CC-BY-4.0")
    assert header["license"] == "cc-by-4.0"
    assert "advent" in header["tags"]
    assert (
        "The last snapshot, after 4 steps: no score chose it. **No target label was used**" in text
    )
    assert "One training, seed 1234" in text
    for row in ("| sky | 80.0 |", "| tree | - |", "| mean over 11 classes | 40.0 |"):
        assert row in text
    assert "| 3 | road | 128, 64, 128 |" in text
    assert "the labelled target images of `city/val`" in text


def test_several_seeds_have_a_spread_and_labels_are_owned_up_to(tmp_path: Path) -> None:
    runs = [scored(tmp_path, f"s{n}", 40.0 + n, run__seed=n) for n in range(3)]
    others = ["--other-seeds", runs[1].url, runs[2].url]
    header, text = exported(runs[0], tmp_path / "out", "--checkpoint", "best", *others)
    assert header["license"] == "unknown"
    assert "No licence was given" in text
    assert "| mean over 11 classes | 41.0 ± 1.0 |" in text
    assert "**Target labels were used for this choice**, those of `city/val`" in text
    assert "chosen on these very images: the scores flatter" in text
    assert "over 3 trainings that differ in their seed alone (0, 1, 2)" in text


def test_without_labels(tmp_path: Path) -> None:
    run = scored(tmp_path, "bare", 0)
    _, text = exported(run, tmp_path / "out", "--which", "best")
    assert "by information maximisation (no target label was used). **No target label" in text
    assert "| mean entropy (0..1) | 0.250 |" in text
    assert "IoU" not in text


def test_the_command_trains_what_was_trained(tmp_path: Path) -> None:
    run = scored(tmp_path, "city", 40.0)
    _, text = exported(run, tmp_path / "out")
    command = text.split("## Training\n\n```\n")[1].split("\n```")[0]
    words = command.replace("\\\n", " ").split()
    again, _ = parse(words[2:])
    assert public(again) == public(run.experiment())
    config = str(tmp_path / "out" / "config.json")
    assert parse(["--config", config])[0] == public(run.experiment())


def test_an_experiment_of_ones_own_is_in_the_config(tmp_path: Path) -> None:
    run = scored(tmp_path, "city", 40.0)
    text = to_json(run.experiment()).replace('"streets_advent"', '"houses"')
    run.folder.write("config.json", text.encode())
    _, card = exported(run, tmp_path / "out")
    assert "\nadvent-dist train --config config.json\n" in card


def test_no_place_and_no_address_gets_out(tmp_path: Path) -> None:
    run = scored(tmp_path / "bob", "city", 40.0)
    exported(run, tmp_path / "out")
    for name in ("README.md", "config.json", "classes.json"):
        text = (tmp_path / "out" / name).read_text()
        for hidden in ("alice", "bob", "secret-bucket", "10.0.0.7", str(tmp_path)):
            assert hidden not in text, name
    data = json.loads((tmp_path / "out" / "config.json").read_text())["experiment"]["data"]
    assert (data["source"], data["target"]) == ("gta5/train", "city/train")


@pytest.mark.parametrize(
    ("folder", "shown"),
    [
        ("streets/dusk/train", "streets/dusk/train"),
        ("/data/a/b/c", "b/c"),
        ("s3://bucket/train", "bucket/train"),
        ("~/x", "~/x"),
        ("/x", "x"),
    ],
)
def test_places(folder: str, shown: str) -> None:
    assert place(folder) == shown


def test_a_public_config_is_a_config() -> None:
    """Also where two places look alike once they are shortened."""
    places = {"data.evaluation": "/a/city/val", "data.held_out": "/b/city/val"}
    shown = public(override(experiment("streets_advent"), places))
    assert (shown.data.evaluation, shown.data.held_out) == ("city/val", None)


def test_a_teachers_weights_are_a_name() -> None:
    weights = {"method.distill_weights": "/home/alice/teacher.pth"}
    changed = override(experiment("streets_vfm_uda_plus_plus"), weights)
    assert public(changed).method == replace(changed.method, distill_weights="teacher.pth")


def test_names_of_strangers_are_text(tmp_path: Path) -> None:
    odd = ClassSet(
        name="odd", names=("a|b <img src=x>", "[x](y) `z`"), palette=((0, 0, 0), (1, 1, 1))
    )
    assert _plain(odd.names[0]) == r"a\|b &lt;img src=x&gt;"
    assert _plain(odd.names[1]) == r"\[x\](y) \`z\`"
    assert json.loads(class_file_text(odd))["classes"][0]["name"] == odd.names[0]


def test_seeds_of_something_else(tmp_path: Path) -> None:
    one = scored(tmp_path, "one", 40.0)
    longer = scored(tmp_path, "longer", 40.0, run__seed=2, run__steps=99)
    with pytest.raises(ConfigError, match=r"longer: run\.steps = 99, but the run that is exported"):
        snapshot_of(one, "last", [longer])
    with pytest.raises(ConfigError, match=r"--other-seeds .*one: run.seed = 1234 is that of"):
        snapshot_of(one, "last", [one])


def test_no_snapshot(tmp_path: Path) -> None:
    run = scored(tmp_path, "one", 40.0)
    run.write_summary(run.experiment(), Progress(step=4))
    assert snapshot_of(run, "last").evaluations == ()
    with pytest.raises(CheckpointError, match="one has no best checkpoint yet"):
        snapshot_of(run, "best")
