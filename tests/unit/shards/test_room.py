"""Builds replace and delete what builds have written, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from advent_dist.data.store import open_folder
from advent_dist.errors import DataError
from shards.room import make_room, tidy
from tests.shard_helpers import examples, write_shards

BUILD, OTHER = "a" * 64, "b" * 64


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["000000.tar", "000001.json"])
def test_files_of_another_tool_are_not_replaced(tmp_path: Path, name: str, overwrite: bool) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(DataError, match=rf"{name} there is not of a build"):
        make_room(open_folder(str(tmp_path)), BUILD, overwrite=overwrite)
    assert (tmp_path / name).read_bytes() == b"mine"
    assert _names(tmp_path) == {name}


def test_a_shard_that_the_manifest_does_not_know_is_not_deleted(tmp_path: Path) -> None:
    write_shards(str(tmp_path), examples(4))
    (tmp_path / "000900.tar").write_bytes(b"mine")
    before = _names(tmp_path)
    with pytest.raises(DataError, match=r"000900.tar there is not of a build"):
        make_room(open_folder(str(tmp_path)), BUILD, overwrite=True)
    assert _names(tmp_path) == before


def test_a_manifest_of_another_tool_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "my extension"}')
    with pytest.raises(DataError, match=r"is not a manifest of shards"):
        make_room(open_folder(str(tmp_path)), BUILD, overwrite=True)
    assert _names(tmp_path) == {"manifest.json"}


def test_overwriting_deletes_the_shards_of_the_manifest_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_shards(str(tmp_path), examples(8), per_shard=4)
    shards = _names(tmp_path) - {"manifest.json"}
    assert len(shards) == 2
    (tmp_path / "notes.txt").write_text("mine")
    make_room(open_folder(str(tmp_path)), BUILD, overwrite=True)
    assert _names(tmp_path) == {"notes.txt", "unfinished.json"}
    assert all(name in caplog.text for name in ("manifest.json", *shards))


def test_an_interrupted_build_is_known_by_its_mark(tmp_path: Path) -> None:
    """Killed between its first shard and that shard's record, say."""
    folder = open_folder(str(tmp_path))
    make_room(folder, BUILD, overwrite=False)
    folder.write("000000.tar", b"a shard")
    make_room(folder, BUILD, overwrite=False)
    tidy(folder, {"000000.tar"})
    assert _names(tmp_path) == {"000000.tar"}


def test_an_interrupted_build_of_before_there_were_marks_is_known_by_its_record(
    tmp_path: Path,
) -> None:
    folder = open_folder(str(tmp_path))
    folder.write("000000.tar", b"a shard")
    folder.write("000000.json", b'{"build": "%s"}' % BUILD.encode())
    make_room(folder, BUILD, overwrite=False)
    assert _names(tmp_path) == {"000000.tar", "000000.json", "unfinished.json"}


def _unfinished(root: Path) -> set[str]:
    """Two shards with their records, and one that was killed before it had one."""
    folder = open_folder(str(root))
    make_room(folder, BUILD, overwrite=False)
    for number in range(3):
        folder.write(f"{number:06d}.tar", b"a shard")
        if number < 2:
            folder.write(f"{number:06d}.json", b'{"build": "%s"}' % BUILD.encode())
    return {path.name for path in root.iterdir()} - {"unfinished.json"}


def test_the_rest_of_another_build_goes_where_that_is_wanted_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unfinished = _unfinished(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"unfinished build of something else.*--overwrite"):
        make_room(open_folder(str(tmp_path)), OTHER, overwrite=False)
    assert unfinished < _names(tmp_path)
    make_room(open_folder(str(tmp_path)), OTHER, overwrite=True)
    assert _names(tmp_path) == {"notes.txt", "unfinished.json"}
    assert all(name in caplog.text for name in unfinished)


@pytest.mark.parametrize("name", ["000007.tar", "000003.json"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_no_record_knows_is_not_of_an_unfinished_build(
    tmp_path: Path, name: str, overwrite: bool
) -> None:
    _unfinished(tmp_path)
    (tmp_path / name).write_bytes(b"mine")
    before = _names(tmp_path)
    for build in (BUILD, OTHER):
        with pytest.raises(DataError, match=rf"{name} there is not of a build"):
            make_room(open_folder(str(tmp_path)), build, overwrite=overwrite)
    assert _names(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("unfinished.json", '{"chapters": 3}'),
        ("unfinished.json", '{"build": "2023-01"}'),
        ("000000.json", '{"build": "2023-01"}'),
    ],
)
def test_what_looks_like_a_mark_is_none(tmp_path: Path, name: str, text: str) -> None:
    for file in (name, "000001.json", "000007.tar"):
        (tmp_path / file).write_text(text)
    before = _names(tmp_path)
    with pytest.raises(DataError, match=r"there is not of a build of advent-dist"):
        make_room(open_folder(str(tmp_path)), BUILD, overwrite=True)
    assert _names(tmp_path) == before
