"""Local folders; s3:// is in tests/integration/test_s3.py."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from advent_dist.data.store import (
    Folder,
    folder_url,
    local_path,
    open_file,
    open_folder,
    read_manifest,
)
from advent_dist.errors import DataError
from tests.shard_helpers import data_config, examples, write_shards


def test_write_read_and_list(tmp_path):
    folder = open_folder(f"{tmp_path}/new/folder")
    assert folder.list() == []
    folder.write("b.bin", b"0123456789")
    folder.write("a.bin", b"")
    assert folder.list() == ["a.bin", "b.bin"]
    assert folder.read("b.bin") == b"0123456789"
    assert folder.read_range("b.bin", 2, 5) == b"234"
    assert folder.exists("a.bin")
    assert not folder.exists("c.bin")


def test_folders_inside_are_listed_and_opened(tmp_path):
    folder = open_folder(str(tmp_path / "outer"))
    assert folder.folders() == []
    folder.inside("b/c").write("x.bin", b"1")
    folder.inside("a").write("y.bin", b"2")
    folder.write("z.bin", b"3")
    assert folder.folders() == ["a", "b"]
    assert folder.list() == ["z.bin"]
    assert folder.inside("b").inside("c").read("x.bin") == b"1"
    assert folder.inside("b/c").url == f"{folder.url}/b/c"


def test_files_of_all_folders_are_found(tmp_path):
    for url in (str(tmp_path / "outer"), "memory://walked/outer"):
        folder = open_folder(url)
        assert folder.walk() == []
        for name in ("z.bin", "a/y.bin", "a/b/x.bin"):
            folder.write(name, b"1")
        assert folder.walk() == ["a/b/x.bin", "a/y.bin", "z.bin"]
        assert open_folder(f"{url}/z.bin").walk() == [""]


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path, monkeypatch):
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    (tmp_path / "inner").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)  # root may look into all folders
    with pytest.raises(DataError, match=r"permission denied; check the owner"):
        open_folder(str(tmp_path)).walk()


def test_a_local_folder_has_several_names(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for url in (f"file://{tmp_path}/a", "~/a", "file://~/a"):
        assert open_folder(url).url == open_folder(url).path == f"{tmp_path}/a"
        assert open_folder(url).is_local
    assert folder_url(data_config(tmp_path), "~/b") == "~/b"


def test_an_empty_path_is_refused(tmp_path):
    # As in `--out "$OUT"` without such a variable, which would write to the root of the disk.
    with pytest.raises(DataError, match=r"path of a folder is empty; give a local folder"):
        open_folder("")


@pytest.mark.parametrize("url", ["a.html", "new/a.html", "memory://pages/a.html"])
def test_a_file_is_opened_by_its_folder(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, name = open_file(url)
    folder.write(name, b"page")
    assert name == "a.html"
    assert open_folder(url.rpartition("/")[0] or ".").read("a.html") == b"page"


@pytest.mark.parametrize("url", ["pages/", "s3://bucket", "s3://bucket/", "..", ""])
def test_what_is_no_file_by_its_name_is_refused(url):
    with pytest.raises(DataError, match="give the path or URL of a file, not of a folder"):
        open_file(url)


def test_a_file_where_a_folder_is_and_the_other_way_round_are_named(tmp_path):
    open_folder(str(tmp_path)).write("file", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"/folder: there is a folder of that name"):
        open_folder(str(tmp_path)).write("folder", b"")
    with pytest.raises(DataError, match=r"file/x: there is a file in the place of its folder"):
        open_folder(f"{tmp_path}/file").write("x", b"")


def test_a_path_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (tmp_path / "a", f"file://{tmp_path}/a", "~/a", Path(f"file://{tmp_path}/a")):
        assert local_path("--out", path) == tmp_path / "a"
    for url in ("s3://bucket/a", Path("s3://bucket/a")):
        with pytest.raises(DataError, match=r"^--out s3://bucket/a: it can't be a URL"):
            local_path("--out", url)


def test_a_folder_is_deleted_with_all_in_it_or_is_not_there_anyway(tmp_path):
    folder = open_folder(f"{tmp_path}/folder")
    folder.inside("a/b").write("x.bin", b"1")
    folder.delete()
    assert not (tmp_path / "folder").exists()
    folder.delete()


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    folder = open_folder(str(tmp_path))
    folder.write("a.bin", b"old")

    def full_disk(*_paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(DataError, match=r"a.bin: OSError: No space left"):
        folder.write("a.bin", b"new")
    assert os.listdir(tmp_path) == ["a.bin"]
    assert folder.read("a.bin") == b"old"


def test_a_missing_file_is_named_with_the_fix(tmp_path):
    url = f"{tmp_path}/manifest.json"
    with pytest.raises(DataError, match=f"{url}: there is no such file; build the shards"):
        read_manifest(str(tmp_path))


def test_a_range_beyond_the_end_is_refused(tmp_path):
    folder = open_folder(str(tmp_path))
    folder.write("a.bin", b"0123456789")
    with pytest.raises(DataError, match=r"bytes 5-20 .* only 10 bytes"):
        folder.read_range("a.bin", 5, 20)


def test_a_program_error_is_not_taken_for_one_of_storage(tmp_path):
    with pytest.raises(TypeError):
        open_folder(str(tmp_path)).write("a.bin", "text")  # type: ignore[arg-type]


def test_other_schemes_are_refused():
    with pytest.raises(DataError, match="gopher://bucket/folder: no access to gopher://"):
        open_folder("gopher://bucket/folder")


@pytest.mark.parametrize("url", ["s3:/bucket/folder", "gs:/bucket", "file:/tmp/x", "https:/a/b"])
def test_a_url_that_has_lost_a_slash_is_no_path(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=rf"{url}: it has lost a slash; give .*://"):
        open_folder(url)
    with pytest.raises(DataError, match=r"it has lost a slash"):
        open_file(f"{url}/page.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["s3://", "s3:///"])
def test_a_url_without_a_bucket_is_refused(url):
    with pytest.raises(DataError, match=r"it names no bucket; give s3://BUCKET/FOLDER"):
        open_folder(url)


def test_a_folder_with_a_colon_in_its_name_is_a_folder(tmp_path):
    open_folder(f"{tmp_path}/10:30/a").write("a.bin", b"1")
    assert (tmp_path / "10:30" / "a" / "a.bin").exists()


def test_what_fsspec_knows_can_be_read_and_written():
    folder = open_folder("memory://bucket/folder")
    folder.write("a.bin", b"0123456789")
    assert folder.list() == ["a.bin"]
    assert folder.read("a.bin") == b"0123456789"
    assert folder.read_range("a.bin", 2, 5) == b"234"


def test_threads_and_forked_processes_may_share_a_folder(tmp_path):
    folder = open_folder(str(tmp_path))
    folder.write("a.bin", bytes(range(100)))
    with ThreadPoolExecutor(8) as threads:
        read = threads.map(lambda n: folder.read_range("a.bin", n, n + 1), range(100))
        assert list(read) == [bytes([n]) for n in range(100)]
    child = os.fork()
    if child == 0:
        os._exit(0 if folder.read_range("a.bin", 7, 8) == b"\x07" else 1)
    assert os.waitpid(child, 0)[1] == 0


def _read(folder: Folder) -> bytes:
    return folder.read("a.bin")


def test_spawned_processes_may_be_given_a_folder(tmp_path):
    folder = open_folder(str(tmp_path))
    folder.write("a.bin", b"0123")
    assert _read(folder) == b"0123"
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(_read, folder).result() == b"0123"


def test_folders_are_relative_to_the_root_unless_absolute():
    data = data_config("s3://bucket/prefix/")
    assert folder_url(data, "source") == "s3://bucket/prefix/source"
    assert folder_url(data, "/disk/source") == "/disk/source"
    assert folder_url(data, "s3://other/source") == "s3://other/source"


def test_the_manifest_comes_back(tmp_path):
    manifest = write_shards(f"{tmp_path}/source", examples(5))
    assert read_manifest(f"{tmp_path}/source") == manifest
