"""The report of a sweep in a real browser, and on a real S3 server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from advent_dist.data.store import open_folder
from tests.browser import browser, open_page
from tests.helpers import write_tiny_shards
from tests.sweep_folder import FakeSweep, write_sweep
from tests.unit.runs.test_trained import trained_run
from tune.report import write_report

WIDTHS = (1280, 390)
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"

UNDRAWN = """
return [...document.querySelectorAll(".js-plotly-plot")].flatMap((plot) => {
  const traces = plot._fullData.filter((trace) => trace.visible === true).length;
  const drawn = [...plot.querySelectorAll(".trace, .barlayer .trace")].filter((group) => {
    const box = group.getBoundingClientRect();
    return box.width > 0 || box.height > 0;
  }).length;
  const box = plot.querySelector(".main-svg").getBoundingClientRect();
  const title = plot.closest(".grid > div").querySelector("h3").textContent;
  const whole = traces > 0 && drawn >= traces && box.width > 200 && box.height > 200;
  return whole ? [] : [`${title}: ${drawn} of ${traces} traces, ${box.width} x ${box.height}`];
});
"""

SCROLLS_SIDEWAYS = """
const page = document.documentElement;
return page.scrollWidth > page.clientWidth;
"""

TOO_WIDE = """
const inBox = (element) => element.closest(".scroll, .command pre, .js-plotly-plot");
return [...document.querySelectorAll("body *")]
  .filter((element) => !inBox(element) && element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.outerHTML.slice(0, 80));
"""


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with browser() as chrome:
        yield chrome


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of the report of a sweep with all there is: failures, collapses, pictures, evil names."""
    storage = tmp_path_factory.mktemp("sweeps")
    write_tiny_shards(f"{storage}/shards")
    fake = FakeSweep(
        num_trials=16,
        failed={4: EVIL, 9: "its process died"},
        stillborn=(9,),
        collapsed=(6,),
        prefix=EVIL,
        seeds=(1, 2),
        report_folder="evaluation",
    )
    url = write_sweep(str(storage), fake)
    tree = json.loads(Path(url, "sweep.json").read_text())
    tree["space"][f"method.{EVIL}"] = {"kind": "choice", "values": [EVIL, "plain"]}
    Path(url, "sweep.json").write_text(json.dumps(tree | {"name": EVIL}))
    for number, file in enumerate(sorted(Path(url).glob("trials/*/trial.json"))):
        trial = json.loads(file.read_text())
        trial["values"][f"method.{EVIL}"] = [EVIL, "plain"][number % 2]
        file.write_text(json.dumps(trial))
    data = {"data__root": f"{storage}/shards", "data__classes": "camvid11"}
    for which in ("source_only", "published", "best"):
        trained_run(Path(url, "final"), f"{which}_seed1", **data)
    return f"file://{write_report(url)}"


def show(chrome: Chrome, page: str, width: int) -> None:
    open_page(chrome, page, width)
    WebDriverWait(chrome, 30).until(lambda _: not chrome.execute_script(UNDRAWN))


@pytest.mark.parametrize("width", WIDTHS)
def test_every_plot_is_drawn_and_nothing_is_wider_than_the_screen(
    chrome: Chrome, page: str, width: int
) -> None:
    show(chrome, page, width)
    assert len(chrome.find_elements(By.CLASS_NAME, "js-plotly-plot")) == 13
    assert chrome.execute_script(SCROLLS_SIDEWAYS) is False
    assert chrome.execute_script(TOO_WIDE) == []
    pictures = chrome.find_elements(By.TAG_NAME, "img")
    assert len(pictures) == 3
    assert all(int(picture.get_property("naturalWidth") or 0) > 1000 for picture in pictures)
    smallest = chrome.execute_script(
        "return Math.min(...[...document.querySelectorAll('p, td, th, dt, a, button')]"
        ".map((e) => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 14
    assert chrome.get_log("browser") == []


def test_markup_in_names_stays_text(chrome: Chrome, page: str) -> None:
    show(chrome, page, WIDTHS[0])  # an alert would make every later command fail
    assert chrome.title == EVIL
    assert chrome.find_element(By.TAG_NAME, "h1").text == EVIL
    assert chrome.find_elements(By.CSS_SELECTOR, "img[src=x]") == []
    labels = chrome.execute_script(
        "return [...document.querySelectorAll('.xtick text')].map((e) => e.textContent)"
    )
    assert EVIL in labels


def test_a_click_on_the_legend_hides_a_kind_of_trial(chrome: Chrome, page: str) -> None:
    show(chrome, page, WIDTHS[0])
    plot = chrome.find_element(By.CSS_SELECTOR, "#learning-curves .js-plotly-plot")

    def lines() -> int:
        return len(plot.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace"))

    before = lines()
    entry = next(
        entry
        for entry in plot.find_elements(By.CSS_SELECTOR, ".legend .traces")
        if entry.text == "stopped early"
    )
    toggle = entry.find_element(By.CLASS_NAME, "legendtoggle")
    ActionChains(chrome).scroll_to_element(plot).move_to_element(toggle).click().perform()
    WebDriverWait(chrome, 10).until(lambda _: lines() < before - 5)
    ActionChains(chrome).move_to_element(toggle).pause(1).click().perform()
    WebDriverWait(chrome, 10).until(lambda _: lines() == before)
    assert chrome.get_log("browser") == []


def test_the_pointer_on_a_point_shows_which_trial_it_is(chrome: Chrome, page: str) -> None:
    show(chrome, page, WIDTHS[0])
    plot = chrome.find_element(By.CSS_SELECTOR, "#choosing-without-labels .js-plotly-plot")
    point = plot.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace:last-child .point")[0]
    ActionChains(chrome).scroll_to_element(plot).move_to_element(point).perform()
    hover = WebDriverWait(chrome, 10).until(
        lambda _: plot.find_element(By.CSS_SELECTOR, ".hoverlayer .hovertext")
    )
    assert "lambda_adv = " in hover.text
    assert "score" in hover.text


def test_the_command_is_copied_and_tables_open(chrome: Chrome, page: str) -> None:
    show(chrome, page, WIDTHS[1])
    button = chrome.find_element(By.CSS_SELECTOR, ".command button")
    button.click()
    WebDriverWait(chrome, 10).until(lambda _: button.text in ("Copied", "Selected"))
    selected = chrome.execute_script("return getSelection().toString()")
    assert selected.startswith("advent-dist train streets_advent")
    details = chrome.find_element(By.CSS_SELECTOR, "#learning-curves details")
    details.find_element(By.TAG_NAME, "summary").click()
    assert len(details.find_elements(By.CSS_SELECTOR, "tbody tr")) == 16
    assert details.find_element(By.TAG_NAME, "table").is_displayed()
    assert chrome.execute_script(SCROLLS_SIDEWAYS) is False


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "fake",
    [
        FakeSweep(status="running", reached=0, finals=False),
        FakeSweep(status="interrupted", reached=90, finals=False),
        FakeSweep(num_trials=1, optional=False, finals=False),
    ],
)
def test_an_unfinished_sweep_is_drawn_too(
    chrome: Chrome, tmp_path: Path, fake: Any, width: int
) -> None:
    show(chrome, f"file://{write_report(write_sweep(str(tmp_path), fake))}", width)
    assert chrome.execute_script(TOO_WIDE) == []
    assert chrome.get_log("browser") == []


def test_a_sweep_on_s3_has_its_report_beside_it(bucket: str) -> None:
    url = write_sweep(f"{bucket}/sweeps", FakeSweep(num_trials=9, failed={2: "nan"}))
    assert write_report(url) == f"{url}/report.html"
    folder = open_folder(url)
    assert {"report.html", "report.md", "trials.csv", "trials.json"} <= set(folder.list())
    assert b"Plotly.newPlot(" in folder.read("report.html")
    assert len(json.loads(folder.read("trials.json"))["trials"]) == 9
