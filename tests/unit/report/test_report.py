from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from advent_dist.data.class_sets import CAMVID_11
from advent_dist.errors import ConfigError, DataError
from advent_dist.pictures import to_png
from advent_dist.report import Panel, RunRecord, comparison_report, read_run, run_report

EVIL = "<script>alert('&')</script>"


class Reader(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.charts = 0
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self._open = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._open = tag
        self.tags[tag] += 1
        for name, value in attributes:
            self.charts += name == "class" and "plotly-graph-div" in (value or "")
            if name in ("src", "href", "srcset", "data", "action"):
                self.addresses.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            self.scripts.append(data)
        elif self._open != "style" and data.strip():
            self.text.append(data.strip())


def evaluation(miou: float, car: float | None) -> dict[str, Any]:
    per_class: dict[str, float | None] = dict.fromkeys(CAMVID_11.names, miou)
    return {
        "step": 40,
        "miou": miou,
        "per_class": per_class | {"car": car},
        "subsets": {"13": 12.25},
        "pixel_accuracy": 81.0,
        "mean_entropy": 0.2,
        "boundary_entropy": 0.4,
        "interior_entropy": 0.1,
        "error_auroc": None,
        "live_classes": 9,
    }


def run(name: str, miou: float = 30.0, car: float | None = 50.0) -> RunRecord:
    metrics: list[dict[str, Any]] = [
        {"step": 10, "loss/seg": 2.0, "loss/ent": 0.5, "lr/segmenter": 2e-4},
        {"step": 20, "loss/seg": 1.0, "samples_per_s": 3.5, "data_wait_fraction": 0.1},
        {"step": 40, "loss/seg": float("nan"), "target_miou": miou, "target_entropy": 0.2},
    ]
    return RunRecord(
        name=name,
        config={"data": {"classes": "camvid11", "target": EVIL}, "run": {"steps": 40, "seed": 1}},
        metrics=metrics,
        classes=CAMVID_11,
        evaluations={"last": evaluation(miou, car), "best": evaluation(miou + 2, car)},
        panels=[Panel(caption=EVIL, png=to_png(Image.new("RGB", (8, 4))))],
    )


def cells_of_row(page: str, name: str) -> list[list[str]]:
    """Texts of the cells of each row of that name."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    found = [[Reader(cell).text for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]
    return [["".join(cell) for cell in row[1:]] for row in found if row and row[0] == [name]]


def assert_self_contained(page: str) -> Reader:
    reader = Reader(page)
    assert all(address.startswith("data:") for address in reader.addresses)
    assert reader.tags["iframe"] == 0
    assert "@import" not in page.split("<script>")[0]
    draws = sum("plotly.js v" in script for script in reader.scripts)
    assert draws == ("Plotly.newPlot(" in page), "4 MB that only curves need"
    return reader


def test_run_report_is_one_file_with_all_its_charts() -> None:
    reader = assert_self_contained(run_report(run("advent")))
    assert reader.charts == 6  # mIoU, entropy, losses, learning rates, throughput, waiting
    assert sum("Plotly.newPlot(" in script for script in reader.scripts) == 6
    assert reader.tags["img"] == 1


def test_comparison_has_a_chart_a_metric() -> None:
    page = comparison_report("Demo", [run("source only"), run("advent")], "source only")
    reader = assert_self_contained(page)
    assert reader.charts == 4  # target_miou, target_entropy, loss/seg, loss/ent
    assert reader.tags["img"] == 0


def test_texts_are_escaped_wherever_they_appear() -> None:
    pages = [
        run_report(run(EVIL)),
        comparison_report(EVIL, [run(EVIL), run("b")], EVIL, notes=[EVIL], panels=run("c").panels),
    ]
    for page in pages:
        assert EVIL not in page
        reader = Reader(page)
        assert EVIL in reader.text
        # Plotly's own and one a chart; in those, the name is text in HTML in JSON.
        assert reader.tags["script"] == 1 + reader.charts
        assert "<script>" not in "".join(reader.scripts[1:])
    assert r"\u003cscript" not in pages[1]
    assert r"&lt;script&gt;" in pages[1].replace(r"\u003e", ">").replace(r"\u003c", "<")


def test_comparison_shows_both_snapshots_and_the_difference() -> None:
    runs = [run("source only", 30.0, 50.0), run("advent", 33.5, 41.0), run("minent", 30.0, None)]
    page = comparison_report("Demo", runs, "source only")
    assert cells_of_row(page, "car") == [["50.0", "41.0", "\u22129.0", "\u2013", "\u2013"]] * 2
    assert cells_of_row(page, "mean") == [
        ["30.0", "33.5", "+3.5", "30.0", "0.0"],
        ["32.0", "35.5", "+3.5", "32.0", "0.0"],
    ]
    last, best = cells_of_row(page, "advent")
    assert last[:5] == ["last", "40", "33.5", "+3.5", "12.2"]
    assert best[:4] == ["best", "40", "35.5", "+3.5"]
    assert '<td class="gain">+3.5</td>' in page
    assert '<td class="loss">\u22129.0</td>' in page


def test_pages_say_how_to_learn_whether_adaptation_helped() -> None:
    """Unless they say whether it did, or there was none."""
    plain = replace(run("plain"), url="runs/plain")
    adapted = replace(run("adapted"), url="runs/my adapted")
    plain.config["method"] = {"name": "source_only"}
    adapted.config["method"] = {"name": "advent"}
    for asked in (
        "advent-dist train --config 'runs/my adapted/config.json' --source-only; ",
        "advent-dist report 'runs/my adapted'",
    ):
        assert any(asked in text for text in Reader(run_report(adapted)).text)
    assert "--source-only" not in run_report(plain)
    assert "--data SHARDS" not in run_report(adapted)
    unlabelled = replace(adapted, evaluations={"last": {"entropy": 0.5}})
    for asked in ("which this run has none of", "'runs/my adapted' --data SHARDS"):
        assert any(asked in text for text in Reader(run_report(unlabelled)).text)
    judged = run_report(adapted, "Adaptation helps here.")
    assert "<p>Adaptation helps here.</p>" in judged
    assert "--source-only" not in judged
    runs = [plain, adapted]
    command = "advent-dist report runs/plain 'runs/my adapted' --data SHARDS --out PAGE"
    page = comparison_report("Demo", runs, "plain")
    assert any(command in text for text in Reader(page).text)
    judged = comparison_report("Demo", runs, "plain", verdicts=["Adaptation helps here."])
    assert "<p>Adaptation helps here.</p>" in judged
    assert "--data SHARDS" not in judged


def test_config_differences_show_only_what_differs() -> None:
    first, second = run("a"), run("b")
    second.config["run"]["seed"] = 2
    page = comparison_report("Demo", [first, second], "a")
    assert cells_of_row(page, "run.seed") == [["1", "2"]] * 2  # differing, and complete
    assert cells_of_row(page, "run.steps") == [["40", "40"]]


def test_a_run_that_has_only_begun_has_a_page() -> None:
    reader = assert_self_contained(run_report(RunRecord(name="begun")))
    assert reader.charts == 0
    assert "begun" in reader.text


def test_comparison_refuses_ambiguous_names() -> None:
    with pytest.raises(ConfigError, match="baseline = 'x'"):
        comparison_report("Demo", [run("a")], "x")
    with pytest.raises(ConfigError, match="a name of its own"):
        comparison_report("Demo", [run("a"), run("a")], "a")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "my_run"
    (folder / "panels").mkdir(parents=True)
    record = run("my_run")
    (folder / "config.json").write_text(json.dumps(record.config))
    lines = "".join(json.dumps(row) + "\n" for row in record.metrics)
    (folder / "metrics.jsonl").write_text(lines)
    target = evaluation(30.0, None)
    step = target.pop("step")
    scores = {"step": step, "target": target, "source": None}
    (folder / "summary.json").write_text(json.dumps({"last": scores, "best": None}))
    (folder / "panels" / "scene.png").write_bytes(record.panels[0].png)
    return folder


def test_read_run_reads_a_run_folder(folder: Path) -> None:
    record = read_run(str(folder))
    assert record.name == "my_run"
    assert record.config["run"]["steps"] == 40
    assert [row["step"] for row in record.metrics] == [10, 20, 40]
    assert record.evaluations == {"last": evaluation(30.0, None)}
    assert [panel.caption for panel in record.panels] == ["scene"]
    assert cells_of_row(run_report(record), "mean") == [["30.0", "\u2013"]]


def test_read_run_needs_no_more_than_a_config(folder: Path) -> None:
    (folder / "metrics.jsonl").unlink()
    (folder / "summary.json").unlink()
    assert read_run(str(folder)).metrics == []
    (folder / "config.json").unlink()
    with pytest.raises(DataError, match="no run folder"):
        read_run(str(folder))


def test_read_run_names_a_damaged_line(folder: Path) -> None:
    (folder / "metrics.jsonl").write_text('{"step": 1}\n{"step": \n')
    with pytest.raises(DataError, match=r"metrics\.jsonl, line 2"):
        read_run(str(folder))


def test_a_run_without_target_labels_says_what_chose_and_shows_no_iou() -> None:
    numbers = {"step": 40, "mean_entropy": 0.25, "snd": 3.0, "live_classes": 9}
    bare = RunRecord(
        name="bare",
        evaluations={"last": numbers, "best": numbers},
        selected_by="criterion/snd",
    )
    for page in (run_report(bare), comparison_report("two", [bare, replace(bare, name="b")], "b")):
        text = " ".join(Reader(page).text)
        assert "chosen by soft neighbourhood density (no target label was used)" in text
        assert "On target images without labels" in text
        assert "mIoU" not in text
        assert "IoU of each class" not in text
    assert cells_of_row(run_report(bare), "bare")[0] == [
        "last", "40", "0.250", "\N{EN DASH}", "3.000", "\N{EN DASH}", "9",
    ]  # fmt: skip
