"""Text by strangers: on terminals, in logs, in tables."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from advent_dist import cli
from advent_dist.printable import PrintableFormatter, plain_console, printable
from tests.shard_helpers import examples, write_shards

EVIL = "\x1b[2J\x1b]0;title\x07evil\r\x9b31m"


def test_letters_stay_and_controls_are_shown() -> None:
    assert printable("straße 道路 🚗\n\tend") == "straße 道路 🚗\n\tend"
    assert printable(EVIL) == r"\x1b[2J\x1b]0;title\x07evil\r\x9b31m"
    assert printable("a\udcff") == r"a\udcff"


def test_a_log_line_moves_no_cursor() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PrintableFormatter("%(levelname)s %(message)s"))
    handler.handle(logging.LogRecord("x", logging.WARNING, "", 0, "key %s", (EVIL,), None))
    assert stream.getvalue() == f"WARNING key {printable(EVIL)}\n"


def test_a_message_moves_no_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / EVIL
    folder.mkdir()
    assert cli.run(["shards", "verify", str(folder)]) == 1
    said = capsys.readouterr().err
    assert "there is no such file" in said
    assert said.removesuffix("\n").isprintable()


def test_brackets_are_no_markup() -> None:
    console = plain_console(width=80)
    with console.capture() as captured:
        console.print("[red]a[/] [/] :smile: data[1]")
    assert captured.get() == "[red]a[/] [/] :smile: data[1]\n"


def _renamed(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    tree = json.loads((folder / "manifest.json").read_text())
    change(tree)
    (folder / "manifest.json").write_text(json.dumps(tree))


def test_what_a_manifest_says_of_itself_is_shown_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A closing tag alone is an error to whoever takes it for markup."""
    write_shards(str(tmp_path), examples(1))
    _renamed(tmp_path, lambda tree: tree.update(dataset="[/]streets [blink]:warning:"))
    assert cli.run(["shards", "info", str(tmp_path)]) == 0
    assert "[/]streets [blink]:warning:" in capsys.readouterr().out


@pytest.mark.parametrize("field", ["dataset", "classes", "class_names"])
def test_a_manifest_with_controls_is_refused(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shards(str(tmp_path), examples(1))
    value = [EVIL] * 11 if field == "class_names" else EVIL
    _renamed(tmp_path, lambda tree: tree.update({field: value}))
    assert cli.run(["shards", "info", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{field}" in said
    assert "characters in a name that can't be printed" in said
    assert said.removesuffix("\n").isprintable()
