"""The command line in one process: exit statuses, and messages of one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from advent_dist import cli
from advent_dist.config import Call
from advent_dist.config.baseline import without_adaptation
from advent_dist.config.override import override, to_json
from advent_dist.errors import ConfigError
from advent_dist.experiments import EXPERIMENTS, experiment


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing that a test starts may write into the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ADVENT_DIST_TRACEBACK", raising=False)
    yield
    assert not list(tmp_path.glob("runs")), "a mistake on the command line must start nothing"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help_lists_the_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 0
    shown = capsys.readouterr().out
    for command in ("demo", "train", "evaluate", "predict", "report", "shards", "doctor"):
        assert f"\n  {command} " in shown


def test_nothing_and_an_unknown_command_are_wrong_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run([]) == 2
    assert cli.run(["trian"]) == 2
    assert "there is no command 'trian'" in capsys.readouterr().err


def test_list_names_every_experiment_with_its_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)
    assert all(len(line.split()) > 4 for line in lines)


@pytest.mark.parametrize("command", ["demo", "evaluate", "predict"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.run([command, "--help"])
    assert done.value.code == 0
    assert f"advent-dist {command}" in capsys.readouterr().out


def test_help_of_an_experiment_explains_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.run(["train", "streets_advent", "--help"])
    assert done.value.code == 0
    shown = capsys.readouterr().out
    for flag in (
        "--method.lambda-adv",
        "--run.steps",
        "--data.augment.flip",
        "--engine.zero-stage",
    ):
        assert flag in shown
    assert "Optimiser steps at which the run ends" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train streets_advnt", "there is no experiment 'streets_advnt'; did you mean streets_adv"),
        ("train streets_advent --run.steps 0", "run.steps = 0: must be at least 1 step"),
        ("train streets_advent --data.augment.flip 2", "data.augment.flip = 2.0: a probability"),
        ("train streets_advent --method.lambda-adv -1", "method.lambda_adv = -1.0: a loss weight"),
        ("train --config nowhere.json", "--config nowhere.json: No such file"),
        ("train --config", "--config: give the path"),
        ("train --run.steps 3", "the experiment's name comes first, not --run.steps"),
        ("evaluate nowhere", "nowhere is no run folder"),
        ("predict nowhere --images . --out out", "--images .: there is no such file"),
        ("shards info nowhere", "nowhere/manifest.json: there is no such file"),
    ],
)
def test_a_mistake_is_one_line_and_status_1(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments.split()) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    command = arguments.split()[0]
    assert shown.err.startswith(f"advent-dist {command}: {message}")
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--run.steps many", "invalid literal for int"),
        ("--run.stepz 3", "Perhaps you meant: --run.steps"),
        ("--engine.zero-stage 9", "invalid choice '9'"),
    ],
)
def test_wrong_usage_is_explained_and_status_2(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        cli.run(["train", "streets_advent", *arguments.split()])
    assert done.value.code == 2
    shown = " ".join(capsys.readouterr().err.replace("\u2502", "").split())
    assert message in shown


def test_a_damaged_config_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(to_json(experiment("streets_advent"))[:-5])
    assert cli.run(["train", "--config", str(tmp_path / "config.json")]) == 1
    assert "config.json is not JSON" in capsys.readouterr().err


def test_a_traceback_for_those_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVENT_DIST_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no experiment"):
        cli.run(["train", "streets_advnt"])


def test_main_exits_with_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["advent-dist", "train", "--list"])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 0


def test_a_named_experiment_is_as_the_environment_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from advent_dist.commands.train import parse

    monkeypatch.setenv("ADVENT_DIST_DATA", "s3://bucket/shards")
    monkeypatch.setenv("ADVENT_DIST_SET", "cluster.workers=4 run.seed=7")
    chosen, _ = parse(["streets_advent", "--run.seed", "8"])
    assert (chosen.data.root, chosen.cluster.workers) == ("s3://bucket/shards", 4)
    assert chosen.run.seed == 8, "flags go before"
    path = tmp_path / "config.json"
    path.write_text(to_json(experiment("streets_advent")))
    assert parse(["--config", str(path)]) == (experiment("streets_advent"), Call())


def test_the_same_without_adaptation(tmp_path: Path) -> None:
    from advent_dist.commands.train import parse

    plain, _ = parse(["streets_hrda", "--source-only", "--run.seed", "8"])
    expected = override(experiment("streets_hrda"), {"run.seed": 8})
    assert plain == override(without_adaptation(expected), {"run.name": "streets_hrda_source_only"})
    named, _ = parse(["streets_hrda", "--source-only", "--run.name", "plain"])
    assert named.run.name == "plain"
    config = tmp_path / "config.json"
    config.write_text(to_json(override(experiment("streets_advent"), {"run.name": "mine"})))
    of_run, _ = parse(["--config", str(config), "--source-only"])
    assert (of_run.method.name, of_run.run.name) == ("source_only", "mine_source_only")
    config.write_text(to_json(of_run))
    with pytest.raises(ConfigError, match=r"--source-only: mine_source_only adapts nothing"):
        parse(["--config", str(config), "--source-only"])


def test_a_file_is_taken_as_a_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from advent_dist.commands.train import parse

    (tmp_path / "houses.py").write_text(
        "from advent_dist.experiments import experiment\n\n"
        "def houses():\n    return experiment('streets_minent')\n\n"
        "def _broken():\n    return 1 / 0\n"
    )
    monkeypatch.setenv("ADVENT_DIST_SET", "cluster.workers=4 run.seed=7")
    for name in ("houses.py", "houses.py:houses", str(tmp_path / "houses.py")):
        chosen, call = parse([name, "--run.seed", "8", "--method.lambda-ent", "0.5", "--resume"])
        expected = {"cluster.workers": 4, "run.seed": 8, "method.lambda_ent": 0.5}
        assert chosen == override(experiment("streets_minent"), expected)
        assert call == Call(resume=True)
    for command in ("train", "doctor"):
        assert cli.run([command, "houses.py:_broken"]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"advent-dist {command}: houses.py, line 7: ZeroDivisionError: ")
        assert said.count("\n") == 1
    assert cli.run(["train", "houses.py", "--run.steps", "0"]) == 1
    assert capsys.readouterr().err == "advent-dist train: run.steps = 0: must be at least 1 step\n"


def test_parsing_gives_the_experiment_with_the_flags_fields_changed(tmp_path: Path) -> None:
    from advent_dist.commands.train import parse

    base = experiment("streets_advent")
    assert parse(["streets_advent"]) == (base, Call())
    flags = "--run.steps 7 --method.lambda-adv 0.5 --data.source-size 64 32"
    expected = override(
        base,
        {
            "run.steps": 7,
            "method.lambda_adv": 0.5,
            "data.source_size": (64, 32),
        },
    )
    assert parse(["streets_advent", *flags.split()]) == (expected, Call())
    path = tmp_path / "config.json"
    path.write_text(to_json(expected))
    assert parse(["--config", str(path)]) == (expected, Call())
    longer = override(expected, {"run.steps": 9})
    assert parse(["--config", str(path), "--run.steps", "9"]) == (longer, Call())


@pytest.mark.parametrize(
    ("flags", "call"),
    [
        ("--resume", Call(resume=True)),
        ("--run.resume", Call(resume=True)),
        ("--overwrite --run.steps 3", Call(overwrite=True)),
        ("--run.steps 3 --run.overwrite", Call(overwrite=True)),
        ("--resume --force", Call(resume=True, force=True)),
    ],
)
def test_what_a_call_asks_of_a_run_is_no_part_of_its_config(flags: str, call: Call) -> None:
    from advent_dist.commands.train import parse

    chosen, asked = parse(["streets_advent", *flags.split()])
    assert asked == call
    assert {"resume", "overwrite", "force"}.isdisjoint(asdict(chosen.run))


def test_resume_and_overwrite_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "streets_advent", "--resume", "--overwrite"]) == 1
    assert capsys.readouterr().err == (
        "advent-dist train: --resume and --overwrite: give one of the two\n"
    )


def test_what_an_old_config_had_asked_for_is_not_asked_again(tmp_path: Path) -> None:
    from advent_dist.commands.train import parse

    tree = asdict(experiment("streets_advent"))
    tree["run"] |= {"resume": False, "overwrite": True}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(tree))
    assert parse(["--config", str(path)]) == (experiment("streets_advent"), Call())


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (["demo", "--out", "s3://bucket/x"], "--out"),
        (["doctor", "--cluster-file", "s3://bucket/x"], "--cluster-file"),
        (["shards", "build", "camvid", "s3://bucket/x", "shards"], "SRC"),
    ],
)
def test_a_url_where_a_local_path_is_needed_is_refused(
    arguments: list[str], flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 1
    said = capsys.readouterr().err
    assert f" {flag} s3://bucket/x: it can't be a URL; give a path of this machine\n" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())
