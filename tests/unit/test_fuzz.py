"""Configs, command lines and files that nobody would write on purpose: a line each, no traceback.

A seed makes one of them; it is in the name of the test that fails.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from advent_dist import cli
from advent_dist.config.override import to_json
from tests.helpers import tiny_run, write_tiny_shards

_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 3, 7, 64, 10**9, 10**30, -(10**30)),
    *(0.0, -0.5, 1e-320, 1e308, float("nan"), float("inf"), 2.5),
    *("", " ", "x", ".", "..", "/", "../..", "~", "None", "true", "1", "fox 🦊", "ü" * 300, "a\nb"),
    *("s3://", "s3:///x", "nope://x/y", "file:///nowhere", "http://127.0.0.1:9/x", "pip:nothing"),
    *("pip:", "sgd", "adamw", "resnet18", "deeplab_v2", "advent", "minent", "\x00", "%s%n", "-1"),
    *([], {}, [1], [0, 0], [64, 64], [-1, 64], [64, 64, 64], ["a"], [[]], {"a": 1}, [None, None]),
)


class _Reached(BaseException):
    """All that is looked at before Ray starts has been."""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    write_tiny_shards(str(folder))
    return folder


@pytest.fixture
def place(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with shards of its own and a config.json, where no run can start."""
    shutil.copytree(shards, tmp_path / "data")
    run = tiny_run(str(tmp_path / "data"), str(tmp_path / "runs"), cluster__workers=1)
    (tmp_path / "config.json").write_text(to_json(run))

    @contextmanager
    def no_ray(_: object) -> Iterator[None]:
        raise _Reached
        yield

    monkeypatch.setattr("cluster.launch.ray_cluster", no_ray)
    monkeypatch.chdir(tmp_path)
    for name in ("ADVENT_DIST_DATA", "ADVENT_DIST_SET", "ADVENT_DIST_TRACEBACK", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    # Nothing answers there, and that at once.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    return tmp_path


def _run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Run the command: it reaches Ray, or refuses in a line, or shows the usage."""
    capsys.readouterr()
    try:
        status = cli.run(arguments)
    except _Reached:
        return
    except SystemExit as exit_:
        if exit_.code != 2:
            raise
        return
    said = capsys.readouterr().err
    assert status in (1, 2), said
    message = next(line for line in said.splitlines() if line.startswith("advent-dist"))
    assert len(message) > len("advent-dist train: ") + 10
    assert "Traceback" not in said


def _leaves(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key in a tree of JSON."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _leaves(value)


def _mutated(tree: Any, chance: random.Random) -> Any:
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        inside, key = chance.choice(list(_leaves(tree)) or [({}, "x")])
        match chance.randrange(8):
            case 0 if isinstance(inside, dict):
                inside.pop(key, None)
            case 1 if isinstance(inside, dict):
                inside[f"{key}{chance.choice(('s', '', '_'))}"] = inside.get(key)
                inside[chance.choice(("", "x", "résumé"))] = chance.choice(_VALUES)
            case _:
                inside[key] = chance.choice(_VALUES)
    return tree


def _damaged(data: bytes, chance: random.Random) -> bytes:
    match chance.randrange(6):
        case 0:
            return data[: chance.randrange(len(data))]
        case 1:
            changed = bytearray(data)
            for _ in range(chance.choice((1, 3, 50))):
                changed[chance.randrange(len(data))] = chance.randrange(256)
            return bytes(changed)
        case 2:
            return b"<!DOCTYPE html><html><body>quota exceeded</body></html>"
        case 3:
            return data.decode("latin1").encode("utf-16")
        case 4:
            return chance.choice((b"", b"\x00" * 100, b"[" * 100_000, b"null", b"[]", b'"x"', b"1"))
        case _:
            return b"\xef\xbb\xbf" + data


def _of_json(path: Path, chance: random.Random) -> None:
    if chance.random() < 0.75:
        path.write_text(json.dumps(_mutated(json.loads(path.read_text()), chance)))
    else:
        path.write_bytes(_damaged(path.read_bytes(), chance))


def _config(place: Path, chance: random.Random) -> list[str]:
    _of_json(place / "config.json", chance)
    return []


def _flags(place: Path, chance: random.Random) -> list[str]:
    tree = json.loads((place / "config.json").read_text())
    flags: list[str] = []
    for _ in range(chance.choice((1, 2))):
        section = chance.choice([name for name, value in tree.items() if isinstance(value, dict)])
        name = chance.choice(list(tree[section])).replace("_", "-")
        value = chance.choice([one for one in _VALUES if "\x00" not in str(one)])
        words = [str(one) for one in value] if isinstance(value, list) else [str(value)]
        flags += [f"--{section}.{name}", *words]
    return flags


def _manifest(place: Path, chance: random.Random) -> list[str]:
    name = chance.choice(("source", "target", "evaluation"))
    _of_json(place / "data" / name / "manifest.json", chance)
    return []


def _weights(place: Path, chance: random.Random) -> list[str]:
    path = place / chance.choice(("weights.pth", "weights.safetensors", "weights"))
    if chance.random() < 0.2:
        path.mkdir()
    else:
        path.write_bytes(_damaged(b"PK\x03\x04" + bytes(range(256)) * 8, chance))
    return ["--model.weights", str(path)]


def _in_the_way(place: Path, chance: random.Random) -> list[str]:
    """Files where the run, its storage, its shards or its config should be."""
    runs, call = place / "runs", chance.choice(([], ["--resume"], ["--overwrite"], ["--force"]))
    run = runs / "camvid_day_dusk_advent"
    match chance.randrange(5):
        case 0:
            runs.write_text("a file")
        case 1:
            runs.mkdir()
            run.write_text("a file")
        case 2:
            run.mkdir(parents=True)
            shutil.copy(place / "config.json", run)
            _of_json(run / "config.json", chance)
            (run / "metrics.jsonl").write_bytes(_damaged(b'{"step": 1}\n' * 3, chance))
        case 3:
            run.mkdir(parents=True)
            for name in ("config.json", "claim-x.json", "metrics.jsonl"):
                (run / name).mkdir()
        case _:
            shutil.rmtree(place / "data" / "target")
            (place / "data" / "target").write_text("a file")
    return call


_KINDS: tuple[Callable[[Path, random.Random], list[str]], ...] = (
    _config,
    _config,
    _flags,
    _manifest,
    _weights,
    _in_the_way,
)


@pytest.mark.parametrize("seed", range(300))
def test_no_traceback(seed: int, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(seed)
    words = chance.choice(_KINDS)(place, chance)
    before = sorted(path for path in place.rglob("*") if path.is_file())
    _run(["train", "--config", str(place / "config.json"), *words], capsys)
    after = sorted(path for path in place.rglob("*") if path.is_file())
    assert after == before, "nothing is written or deleted before Ray starts"


def test_what_is_right_reaches_ray(place: Path) -> None:
    """Or the others would show nothing."""
    with pytest.raises(_Reached):
        cli.run(["train", "--config", str(place / "config.json")])
