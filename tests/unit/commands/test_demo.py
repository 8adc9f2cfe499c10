"""What the demo makes of its runs, once they are trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advent_dist.commands.demo import ADAPTED, BASELINE, HELD_OUT, _check_out, _compare
from advent_dist.errors import ConfigError
from advent_dist.runs.folder import RunFolder
from tests.helpers import write_tiny_shards
from tests.shard_helpers import examples, write_shards
from tests.unit.runs.test_trained import trained_run


@pytest.mark.parametrize("name", ["report.html", "summary.json"])
def test_files_of_somebody_else_are_not_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"chapters": 3}')
    with pytest.raises(ConfigError, match=rf"{name} there is of no demo of advent-dist"):
        _check_out(tmp_path, ("report.html", "summary.json"), overwrite=True)


def test_the_page_and_the_summary_have_the_verdict_on_the_held_out_images(tmp_path: Path) -> None:
    write_tiny_shards(f"{tmp_path}/shards", num_samples=2)
    write_shards(f"{tmp_path}/shards/{HELD_OUT}", examples(5, size=(64, 48)))
    changes = {"data__root": f"{tmp_path}/shards", "data__evaluation": "evaluation"}
    chosen = {
        name: RunFolder.open(
            trained_run(
                tmp_path, name, seed, f"streets_{name}", **changes, data__classes="camvid11"
            )[0]
        ).experiment()
        for seed, name in enumerate((BASELINE, *ADAPTED))
    }
    summary = _compare(tmp_path, chosen)
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    _check_out(tmp_path, ("report.html", "summary.json"), overwrite=True)
    with pytest.raises(ConfigError, match=r"report\.html and summary\.json already"):
        _check_out(tmp_path, ("report.html", "summary.json"), overwrite=False)
    page = (tmp_path / "report.html").read_text()
    last = {name: mious["last"] for name, mious in summary["target_miou"].items()}
    assert set(summary["verdict"]) == set(ADAPTED)
    for name, verdict in summary["verdict"].items():
        assert f"<p>{name}: {verdict}</p>" in page
        assert "5 images" in verdict
        found = summary["comparison"][name]["miou"]
        assert (found["ours"], found["theirs"]) == pytest.approx((last[name], last[BASELINE]))
