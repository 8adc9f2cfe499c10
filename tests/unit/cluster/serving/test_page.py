"""The page in a browser: what it is allowed to do is enough, and a stranger's words stay words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from advent_dist.runs.serving.answer import Answer, as_png, refusal
from advent_dist.runs.serving.open import About
from cluster.serving.app import build_app
from cluster.serving.launch import answering
from cluster.serving.options import ServeOptions
from cluster.serving.port import listening, url_of
from tests.browser import browser, open_page

ABOUT = About(
    runs=("<b>mine</b>", "other"),
    checkpoint="last",
    steps=(7, 8),
    classes=("a",),
    answers=("trainid", "colour"),
)


async def ask(data: bytes, kind: str) -> Answer:
    if kind == "trainid":
        return refusal(413, "<i>too large</i>")
    return as_png(np.zeros((10, 20, 3), np.uint8))


def test_an_image_is_sent_and_its_answer_shown(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    app = build_app(ask, ABOUT, ServeOptions(), lambda: True)
    with browser() as chrome, listening("127.0.0.1", 0) as listener, answering(app, listener):

        def wait_for(script: str) -> None:
            WebDriverWait(chrome, 30).until(lambda _: chrome.execute_script(f"return {script}"))

        open_page(chrome, url_of(listener), 800)
        wait_for("document.getElementById('as').length == 2")
        assert chrome.find_element(By.ID, "run").text == "<b>mine</b> and other"
        assert chrome.find_element(By.ID, "about").text == "last checkpoint, step 7 and 8: a"
        chrome.find_element(By.ID, "file").send_keys(str(tmp_path / "a.png"))
        wait_for("[...document.images].filter((one) => one.naturalWidth == 20).length == 2")
        assert chrome.find_element(By.ID, "said").text == "a.png"
        assert chrome.get_log("browser") == []
        Select(chrome.find_element(By.ID, "as")).select_by_value("trainid")
        wait_for("document.images.length == 0")
        assert chrome.find_element(By.ID, "said").text == "<i>too large</i>"
