from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from advent_dist import cli
from advent_dist.config.override import to_json
from advent_dist.data.store import open_folder
from advent_dist.experiments import experiment
from advent_dist.pictures import to_png
from advent_dist.runs.scoring import score
from tests.helpers import write_tiny_shards
from tests.shard_helpers import Example, examples, write_shards
from tests.unit.report.test_report import cells_of_row
from tests.unit.runs.test_trained import trained_run

PICTURE = '<img src="data:image/png;base64,iVBOR'


@pytest.fixture
def shards(tmp_path: Path) -> dict[str, str]:
    write_tiny_shards(f"{tmp_path}/shards", num_samples=2)
    return {
        "data__root": f"{tmp_path}/shards",
        "data__evaluation": "evaluation",
        "data__classes": "camvid11",
    }


def report(*arguments: str) -> None:
    assert cli.run(["report", *arguments]) == 0


def test_the_page_of_a_run_is_written_again(
    tmp_path: Path, shards: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = trained_run(tmp_path, **shards)
    report(run)
    assert capsys.readouterr().out == f"{run}/report.html\n"
    page = Path(run, "report.html").read_text()
    assert "<h1>run</h1>" in page
    assert page.count(PICTURE) == len(list(Path(run, "panels").iterdir())) == 4
    report(run, "--out", "memory://pages/one.html")
    assert open_folder("memory://pages").read("one.html").decode().count(PICTURE) == 4


def test_names_of_samples_become_no_paths(tmp_path: Path) -> None:
    """But captions: a sample's name may have folders in it, and is a stranger's."""
    root = tmp_path / "shards"
    write_tiny_shards(str(root), num_samples=2)
    image, label = (one := examples(2, size=(64, 64))[0]).image, one.label
    keys = ["night/<b>a", "b" * 200]
    write_shards(str(root / "evaluation"), [Example(key, image, label) for key in keys])
    run, _ = trained_run(
        tmp_path, data__root=str(root), data__evaluation="evaluation", data__classes="camvid11"
    )
    panels = Path(run, "panels")
    panels.mkdir()
    (panels / "07.png").write_bytes(to_png(Image.new("RGB", (2, 2)), title="of a longer report"))
    mine = ["08.png", "99_figure.png", "mine.png"]
    for name in mine:
        (panels / name).write_bytes(to_png(Image.new("RGB", (2, 2))))
    report(run)
    assert sorted(path.name for path in panels.iterdir()) == ["00.png", "01.png", *mine]
    page = Path(run, "report.html").read_text()
    assert "<figcaption>night/&lt;b&gt;a</figcaption>" in page
    assert f"<figcaption>{keys[1]}</figcaption>" in page


def test_runs_are_compared_with_the_first(
    tmp_path: Path, shards: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    one, _ = trained_run(tmp_path, "one", **shards)
    other, _ = trained_run(tmp_path / "elsewhere", "other", seed=1, **shards)
    report(one, other, "--out", str(tmp_path / "new" / "page.html"))
    assert capsys.readouterr().out == f"{tmp_path}/new/page.html\n"
    page = (tmp_path / "new" / "page.html").read_text()
    assert "<h1>one against other</h1>" in page
    assert page.count(PICTURE) == 4
    assert not Path(one, "report.html").exists()


def test_runs_of_one_name_go_by_their_folders(tmp_path: Path, shards: dict[str, str]) -> None:
    one, _ = trained_run(tmp_path / "a", **shards)
    other, _ = trained_run(tmp_path / "b", **shards)
    report(one, other, "--out", str(tmp_path / "page.html"))
    assert f"<h1>{one} against {other}</h1>" in (tmp_path / "page.html").read_text()


def test_a_run_stands_beside_the_same_without_adaptation(
    tmp_path: Path, shards: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where `train --source-only` left it; a verdict that can't be had costs the page nothing."""
    write_shards(f"{shards['data__root']}/held_out", examples(5, size=(64, 48)))
    shards["data__held_out"] = "held_out"
    run, _ = trained_run(tmp_path, **shards)
    report(run)
    assert "--source-only" in Path(run, "report.html").read_text()
    plain = Path(tmp_path, "run_source_only", "config.json")
    plain.parent.mkdir()
    whole = to_json(experiment("streets_source_only"))
    for config in (whole.replace('"method"', '"was_renamed"'), whole):
        plain.write_text(config)
        report(run)
        assert "-- without a verdict: " in capsys.readouterr().err
        assert "--source-only" in Path(run, "report.html").read_text()
    trained_run(tmp_path, "run_source_only", 1, "streets_source_only", **shards)
    report(run)
    page = Path(run, "report.html").read_text()
    assert "<p>run against run_source_only. " in page
    assert "5 images" in page
    assert "--source-only" not in page


def test_without_images_the_page_has_the_pictures_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = trained_run(tmp_path, data__root=f"{tmp_path}/gone")
    report(run)
    assert "-- pictures stay as they are: " in capsys.readouterr().err
    assert "<h1>run</h1>" in Path(run, "report.html").read_text()
    other, _ = trained_run(tmp_path, "other", data__root=f"{tmp_path}/gone")
    report(run, other, "--out", str(tmp_path / "page.html"))
    assert "-- without pictures: " in capsys.readouterr().err


def test_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, _ = trained_run(tmp_path, "one")
    other, _ = trained_run(tmp_path, "other", data__classes="camvid11")
    assert cli.run(["report"]) == 2
    assert "give at least one run folder" in capsys.readouterr().err
    for arguments, message in (
        ([one, other], "--out: give the path or URL of a page"),
        ([str(tmp_path)], "is no run folder"),
        ([one, "--out", "s3://bucket"], "s3://bucket: give the path or URL of a file"),
        ([one, other, "--out", "page.html"], "predict different classes"),
    ):
        assert cli.run(["report", *arguments]) == 1
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1


def test_runs_are_judged_on_the_images_that_are_named(
    tmp_path: Path, shards: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores, pictures and verdicts are of those, relative to where the command runs."""
    write_shards(f"{tmp_path}/held_out", examples(5, size=(64, 48)))
    plain, _ = trained_run(tmp_path, "plain", 1, "streets_source_only", **shards)
    others = [trained_run(tmp_path, f"adapted{seed}", seed, **shards)[0] for seed in (2, 3)]
    page = tmp_path / "page.html"
    monkeypatch.chdir(tmp_path)
    report(plain, *others, "--out", str(page), "--data", "held_out")
    text = page.read_text()
    for seed in (2, 3):
        assert f"<p>adapted{seed} against plain. " in text
    assert text.count("5 images") == 2
    assert text.count(PICTURE) == 4
    assert "Scores and pictures are of held_out." in text
    assert "--data SHARDS" not in text
    miou = score([others[0]], "last", "held_out").to_json()["miou"]
    assert cells_of_row(text, "adapted2")[0][2] == f"{miou:.1f}"


def test_without_labels_runs_are_not_judged(
    tmp_path: Path, shards: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_shards(f"{tmp_path}/bare", examples(2, size=(64, 48)), labelled=False)
    runs = [trained_run(tmp_path, f"run{seed}", seed, **shards)[0] for seed in (1, 2)]
    page = tmp_path / "page.html"
    asked = ["report", *runs, "--out", str(page), "--data", f"{tmp_path}/bare"]
    assert cli.run(asked) == 1
    assert "bare has no labels" in capsys.readouterr().err
    assert not page.exists()
    assert cli.run(["report", runs[0], "--data", f"{tmp_path}/bare"]) == 1
    assert "--data: there is no " in (said := capsys.readouterr().err)
    assert "--source-only, or give a run to compare with first" in said


def test_a_run_without_labelled_images_is_judged_on_those_that_are_named(
    tmp_path: Path, shards: dict[str, str]
) -> None:
    write_shards(f"{tmp_path}/labelled", examples(5, size=(64, 48)))
    shards["data__evaluation"] = None
    run, _ = trained_run(tmp_path, **shards)
    trained_run(tmp_path, "run_source_only", 1, "streets_source_only", **shards)
    report(run, "--data", f"{tmp_path}/labelled")
    page = Path(run, "report.html").read_text()
    assert "<p>run against run_source_only. " in page
    assert "5 images" in page
