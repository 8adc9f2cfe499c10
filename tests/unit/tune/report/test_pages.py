"""The files that a report consists of, for sweeps in every state."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest

from advent_dist.runs.folder import SWEEP_FILE
from tests.helpers import write_tiny_shards
from tests.sweep_folder import LAMBDA, LR, PUBLISHED, FakeSweep, write_sweep
from tests.unit.report.test_report import Reader, cells_of_row
from tests.unit.runs.test_trained import trained_run
from tune.report.__main__ import main
from tune.report.headline import headline
from tune.report.judgement import comparison_of
from tune.report.reading import read_sweep
from tune.report.results import results
from tune.report.write import write_report

EVIL = "<script>alert(1)</script>"

RATIO = {
    LAMBDA: {"kind": "loguniform", "low": 1e-4, "high": 1e-1},
    "method.lambda_adv_aux": {"kind": "ratio", "low": 0.05, "high": 1.0, "of": LAMBDA},
    "optimizer.segmenter": {"kind": "choice", "values": ["sgd", "adamw"]},
}


def report(storage: Path, fake: FakeSweep) -> tuple[Reader, Path]:
    """What a browser makes of the report, and the sweep's folder."""
    url = write_report(write_sweep(str(storage), fake))
    page = Path(url)
    return Reader(page.read_text()), page.parent


@pytest.mark.parametrize(
    ("fake", "charts", "text"),
    [
        (FakeSweep(), 13, "12 of 12 trials: 11 stopped, 1 finished."),
        (FakeSweep(failed={3: "nan"}, collapsed=(5,)), 13, "collapsed"),
        (FakeSweep(failed={3: "died", 5: "nan"}, stillborn=(3,)), 13, "died"),
        (FakeSweep(status="running", reached=90, finals=False), 12, "The sweep is running"),
        (FakeSweep(status="interrupted", reached=90), 13, "The sweep is interrupted"),
        (FakeSweep(status="running", reached=0, finals=False), 0, "No trial has been evaluated"),
        (FakeSweep(num_trials=0, finals=False), 0, "No trial has been evaluated yet."),
        (FakeSweep(num_trials=1, finals=False), 8, "Fewer than two values of any parameter"),
        (FakeSweep(optional=False, finals=False), 7, "Mean entropy"),
        (FakeSweep(space=RATIO), 12, "lambda_adv_aux / lambda_adv"),
        (FakeSweep(metric="criterion/entropy", mode="min"), 13, "criterion/entropy, median of 3"),
    ],
)
def test_a_sweep_in_any_state_has_a_page(
    tmp_path: Path, fake: FakeSweep, charts: int, text: str
) -> None:
    reader, folder = report(tmp_path, fake)
    assert reader.charts == charts
    assert text in " ".join(reader.text) or text in "".join(reader.scripts)
    assert {path.name for path in folder.iterdir()} >= {"report.md", "trials.csv", "trials.json"}
    assert all(address.startswith(("data:", "#")) for address in reader.addresses)


@pytest.mark.parametrize("report_folder", [None, "streets/dusk/bare"])
@pytest.mark.parametrize("finals", [True, False])
def test_a_sweep_without_target_labels_has_a_page_without_miou(
    tmp_path: Path, report_folder: str | None, finals: bool
) -> None:
    fake = FakeSweep(
        metric="criterion/information_maximisation",
        labelled=False,
        report_folder=report_folder,
        finals=finals,
    )
    reader, folder = report(tmp_path, fake)
    assert reader.charts == 6
    markdown = (folder / "report.md").read_text()
    assert "No target label was used to choose." in markdown
    assert "mIoU" not in markdown.replace("source mIoU", "")
    if finals:
        assert "| **best found** | **last** | **3** | **0." in markdown
        assert "IM on " in markdown
        rows = json.loads((folder / "trials.json").read_text())["trials"][0]["evaluations"]
        assert rows[0]["score"] is not None


def test_every_link_of_the_contents_leads_somewhere(tmp_path: Path) -> None:
    _, folder = report(tmp_path, FakeSweep(num_trials=2))
    page = (folder / "report.html").read_text().split("<body>")[1]
    targets = re.findall(r'href="#([^"]+)"', page)
    assert len(targets) == len(set(targets)) == 8
    assert all(f'id="{target}"' in page for target in targets)


def test_texts_of_the_user_are_escaped_in_all_files(tmp_path: Path) -> None:
    evil = FakeSweep(
        num_trials=9,
        prefix=EVIL,
        failed={4: f"{EVIL} | `x` **bold**"},
        space={LAMBDA: {"kind": "loguniform", "low": 1e-4, "high": 1e-1}, LR: {
            "kind": "choice", "values": [1e-3, 1e-4, 1e-5]}},
        tune_folder=EVIL,
        report_folder=EVIL,
    )  # fmt: skip
    url = Path(write_sweep(str(tmp_path), evil))
    tree = json.loads((url / "sweep.json").read_text())
    tree |= {"name": EVIL, "resume_command": EVIL, "status": "interrupted", "search": EVIL}
    tree["experiment"]["name"] = EVIL
    tree["space"][f"method.{EVIL}"] = {"kind": "choice", "values": [EVIL, "plain"]}
    (url / "sweep.json").write_text(json.dumps(tree))
    for number, file in enumerate(sorted(url.glob("trials/*/trial.json"))):
        trial = json.loads(file.read_text())
        trial["values"][f"method.{EVIL}"] = [EVIL, "plain"][number % 2]
        file.write_text(json.dumps(trial))
    page = Path(write_report(str(url))).read_text()
    assert EVIL not in page
    reader = Reader(page)
    assert reader.tags["script"] == 2 + reader.charts  # plotly, the copy button, a chart each
    assert "<script" not in "".join(reader.scripts[1:])
    # Plotly reads a label as HTML: in its data the name is escaped once more.
    assert r"\u003cscript" not in "".join(reader.scripts[1:])
    assert any(EVIL in text for text in reader.text)
    markdown = (url / "report.md").read_text()
    outside_code = "".join(markdown.split("```")[::2])
    assert "<script" not in outside_code
    assert r"\| \`x\` \*\*bold\*\*" in outside_code


def test_markdown_has_whole_tables_and_the_command(tmp_path: Path) -> None:
    _, folder = report(tmp_path, FakeSweep(failed={4: "a | b"}))
    markdown = (folder / "report.md").read_text()
    tables = re.findall(r"(?:^\|.*\|$\n?)+", markdown, re.MULTILINE)
    assert len(tables) >= 6
    for table in tables:
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1
    assert "```sh\nadvent-dist train streets_advent" in markdown


def test_results_compare_the_retrained_with_source_only(tmp_path: Path) -> None:
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=3))
    for number, miou in enumerate((30.0, 32.0, 34.0), start=1):
        for which, gain in (("source_only", 0.0), ("best", 5.0)):
            file = Path(url, f"final/{which}_seed{number}/final.json")
            final = json.loads(file.read_text())
            for snapshot in ("last", "best"):
                final[snapshot]["miou"] = miou + gain
                final[snapshot]["per_class"]["car"] = miou - gain
            file.write_text(json.dumps(final))
    page = Path(write_report(url)).read_text()
    last, best = cells_of_row(page, "best found")[:2]
    assert last[:4] == ["last", "3", "37.0 ± 2.0", "+5.0"]
    assert best[:4] == ["best", "3", "37.0 ± 2.0", "+5.0"]
    cars = cells_of_row(page, "car")
    assert cars[0][0] == "32.0 ± 2.0"
    assert cars[0][-2:] == ["27.0 ± 2.0", "−5.0"]  # noqa: RUF001
    assert cells_of_row(page, "train")[0] == ["–"] * 5  # noqa: RUF001


def test_the_headline_says_whether_adaptation_helps(tmp_path: Path) -> None:
    """Over the seeds that both have finished."""
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=3, seeds=(1, 2, 3, 4)))
    file = Path(url, "final/best_seed4/final.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"state": "failed"}))
    sweep = read_sweep(url)
    found = comparison_of(sweep)
    assert found is not None
    assert (found.images, found.seeds) == (30, 3)
    assert 9 < found.miou.difference < 13
    assert found.miou.low > 0
    (said,) = [note for note in headline(sweep).notes if "Adaptation helps here: +1" in note]
    assert "30 images, 3 seeds). On streets/dusk/val, best found against source only." in said
    write_report(url)
    tree = json.loads(Path(url, "trials.json").read_text())
    assert tree["comparison"]["miou"]["difference"] == found.miou.difference
    assert "images" not in tree["finals"][0]


def test_a_sweep_whose_config_is_of_another_version_has_a_report(tmp_path: Path) -> None:
    """All but the verdict, which has to know what was trained."""
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=3))
    file = Path(url, SWEEP_FILE)
    tree = json.loads(file.read_text())
    tree["experiment"]["method"]["was_renamed"] = 1
    file.write_text(json.dumps(tree))
    said = headline(read_sweep(url)).notes[0]
    assert said.startswith("There is no verdict on whether adaptation helps: ")
    assert "was_renamed" in said
    write_report(url)


def test_without_counts_of_images_there_is_no_verdict(tmp_path: Path) -> None:
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=3))
    files = sorted(Path(url).glob("final/best_seed*/final.json"))
    for file in files:
        final = json.loads(file.read_text())
        final["images"]["keys"][0] = "another"
        file.write_text(json.dumps(final))
    said = headline(read_sweep(url)).notes[0]
    assert said.startswith("There is no verdict on whether adaptation helps: the runs were scored")
    write_report(url)
    for file in files:
        final = json.loads(file.read_text())
        del final["images"]  # a sweep of old
        file.write_text(json.dumps(final))
    assert len(headline(read_sweep(url)).notes) == 1


def test_a_failed_retraining_is_named_and_not_counted(tmp_path: Path) -> None:
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=3))
    file = Path(url, "final/best_seed2/final.json")
    failed = {"state": "failed", "reason": "worker died", "last": None, "best": None}
    file.write_text(json.dumps(json.loads(file.read_text()) | failed))
    page = Path(write_report(url)).read_text()
    assert cells_of_row(page, "best found")[0][1] == "2"
    assert cells_of_row(page, "best, seed 2") == [["failed", "–", "worker died", ""]]  # noqa: RUF001


def test_where_the_published_point_wins_it_is_compared_with_source_only_alone(
    tmp_path: Path,
) -> None:
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=1))
    for final in Path(url).glob("final/published_*"):
        shutil.rmtree(final)
    page = Path(write_report(url)).read_text()
    assert cells_of_row(page, "published point, best found")[0][1] == "3"
    assert cells_of_row(page, "published point") == []
    assert "against published point" not in page
    assert "against source only" in page


def test_before_the_retraining_the_results_say_what_they_are(tmp_path: Path) -> None:
    url = write_sweep(str(tmp_path), FakeSweep(finals=False))
    section = results(read_sweep(url))
    assert "flatters" in section.notes[0]
    assert [row.name for row in section.tables[0].rows] == ["published point", "best so far"]


def test_csv_and_json_have_every_trial(tmp_path: Path) -> None:
    _, folder = report(tmp_path, FakeSweep(failed={4: 'a, "b"'}))
    rows = list(csv.DictReader(io.StringIO((folder / "trials.csv").read_text())))
    assert len(rows) == 12
    assert rows[4]["reason"] == 'a, "b"'
    assert float(rows[0][LAMBDA]) == PUBLISHED[LAMBDA]
    assert float(rows[0]["criterion/snd"]) > 0
    tree = json.loads((folder / "trials.json").read_text())
    assert [trial["id"] for trial in tree["trials"]] == [row["id"] for row in rows]
    assert tree["best"] in {row["id"] for row in rows if row["state"] == "finished"}
    assert tree["criteria"]["criterion/entropy"]["trials at step 50"]["correlation"] > 0.5


def test_json_has_no_number_that_json_has_not(tmp_path: Path) -> None:
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=2, finals=False))
    file = Path(url, "trials/00001/trial.json")
    file.write_text(file.read_text().replace('"reason": null', '"reason": null, "x": NaN'))
    trial = json.loads(file.read_text()) | {"score": float("nan")}
    file.write_text(json.dumps(trial))
    write_report(url)
    text = Path(url, "trials.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["trials"][1]["score"] is None


def test_pictures_are_drawn_from_the_weights_that_can_be_read(tmp_path: Path) -> None:
    write_tiny_shards(f"{tmp_path}/shards")
    fake = FakeSweep(num_trials=2, seeds=(1,), tune_folder="target", report_folder="evaluation")
    url = write_sweep(str(tmp_path), fake)
    data = {"data__root": f"{tmp_path}/shards", "data__classes": "camvid11"}
    trained_run(Path(url, "final"), "best_seed1", **data)
    reader = Reader(Path(write_report(url)).read_text())
    assert reader.tags["img"] == 3
    said = " ".join(reader.text)
    assert "The first images of evaluation" in said
    assert "There are no pictures of source only" in said
    assert main([url, "--no-pictures"]) == 0
    bare = Reader(Path(url, "report.html").read_text())
    assert bare.tags["img"] == 0
    assert "without pictures" in " ".join(bare.text)
    assert bare.charts == reader.charts


def test_pictures_that_cannot_be_drawn_say_why(tmp_path: Path) -> None:
    fake = FakeSweep(num_trials=2, seeds=(1,), report_folder=f"{tmp_path}/absent")
    url = write_sweep(str(tmp_path), fake)
    trained_run(Path(url, "final"), "best_seed1")
    reader = Reader(Path(write_report(url)).read_text())
    assert reader.tags["img"] == 0
    assert f"{tmp_path}/absent" in " ".join(reader.text)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=2, finals=False))
    assert main([url, "--price-per-hour", "3600"]) == 0
    assert capsys.readouterr().out == f"{url}/report.html\n"
    seconds = sum(trial.seconds for trial in read_sweep(url).trials)
    page = Path(url, "report.html").read_text()
    assert cells_of_row(page, "Cost, at the price given") == [[f"{seconds:.3g}"]]
    assert main([str(tmp_path)]) == 1
    assert "is no sweep folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([url, "--price-per-hour", "-1"])
