from __future__ import annotations

from pathlib import Path

import pytest

from tune.demo import main


def test_a_url_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--out", "s3://bucket/x"]) == 1
    assert capsys.readouterr().err == (
        "tune.demo: --out s3://bucket/x: it can't be a URL; give a path of this machine\n"
    )
    assert not list(tmp_path.iterdir())
