"""The Grafana dashboard shows what a running training really exports to Prometheus."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import ray
import requests
from ray.dashboard.modules.reporter.reporter_agent import METRICS_GAUGES

from cluster.launch import launch
from cluster.logs import run_label
from tests.helpers import tiny_run

_REPOSITORY = Path(__file__).parents[2]
_DASHBOARD = _REPOSITORY / "cluster" / "grafana" / "advent_dist.json"
_NAME = re.compile(r"ray_[a-z0-9_]+")
_SAMPLE = re.compile(r"^(ray_\w+)\{(.*)\}", re.MULTILINE)


@pytest.mark.usefixtures("ray_session")
def test_every_expression_names_an_exported_metric(shards: str, tmp_path: Path) -> None:
    # Longer than it takes until Ray has exported what the first evaluation said.
    changes = {"run__name": "shown", "run__steps": 60, "data__source_evaluation": "source"}
    seldom = {"run__evaluate_every": 10, "run__checkpoint_every": 30, "cluster__workers": 1}
    run = tiny_run(shards, str(tmp_path), **changes, **seldom)
    done = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        scraping = thread.submit(_scrape, run_label(run), done)
        try:
            assert launch(run).step == 60
        finally:
            done.set()
    exported = scraping.result()
    # This machine may have no GPU: of those metrics, Ray's own list of names has to do.
    of_gpus = {f"ray_{name}" for name in METRICS_GAUGES if name.startswith("node_gpus")}
    shown = _shown()
    assert shown <= exported | of_gpus
    assert {name for name in exported if name.startswith("ray_advent_dist_loss_")}
    assert "ray_advent_dist_target_miou" in shown


def _scrape(run: str, done: threading.Event) -> set[str]:
    """What Prometheus would be told until `done`; of our own metrics, those of this run."""
    (node,) = ray.nodes()  # type: ignore[no-untyped-call]
    url = f"http://127.0.0.1:{node['MetricsExportPort']}/metrics"
    names: set[str] = set()
    while not done.wait(0.3):
        for name, tags in _SAMPLE.findall(requests.get(url, timeout=10).text):
            if not name.startswith("ray_advent_dist_") or f'run="{run}"' in tags:
                names.add(name)
    return names


def _shown() -> set[str]:
    """The metrics that the dashboard's expressions name."""
    dashboard = json.loads(_DASHBOARD.read_text())
    expressions = [target["expr"] for one in dashboard["panels"] for target in one["targets"]]
    expressions += [one["query"] for one in dashboard["templating"]["list"]]
    names = {name for text in expressions for name in _NAME.findall(text)}
    return {name for name in names if not name.endswith("_")}  # a prefix of several


def test_the_panels_do_not_overlap() -> None:
    dashboard = json.loads(_DASHBOARD.read_text())
    places = [one["gridPos"] for one in dashboard["panels"]]
    cells = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({one["id"] for one in dashboard["panels"]}) == len(places)
