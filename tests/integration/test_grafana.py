"""The Grafana dashboard shows what a running training really exports to Prometheus."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from ray.cluster_utils import Cluster
from ray.dashboard.modules.reporter.reporter_agent import METRICS_GAUGES

from advent_dist.config.override import to_json
from tests.helpers import tiny_run, write_tiny_shards

_REPOSITORY = Path(__file__).parents[2]
_DASHBOARD = _REPOSITORY / "cluster" / "grafana" / "advent_dist.json"
_NAME = re.compile(r"ray_[a-z0-9_]+")


@pytest.fixture
def metrics_port(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """Address of a Ray of its own, and the port that Prometheus would scrape."""
    monkeypatch.setenv("RAY_metrics_report_interval_ms", "500")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = {"num_cpus": 2, "include_dashboard": False, "metrics_export_port": port}
    cluster = Cluster(initialize_head=True, head_node_args=arguments)
    yield cluster.address, port
    cluster.shutdown()


def test_every_expression_names_an_exported_metric(
    metrics_port: tuple[str, int], bucket: str, tmp_path: Path
) -> None:
    address, port = metrics_port
    write_tiny_shards(f"{bucket}/grafana")
    config = tmp_path / "config.json"
    changes = {"run__steps": 60, "data__source_evaluation": "source"}
    config.write_text(to_json(tiny_run(f"{bucket}/grafana", str(tmp_path), **changes)))
    exported: set[str] = set()
    training = subprocess.Popen(
        [sys.executable, "-m", "advent_dist", "train", "--config", str(config)],
        env={**os.environ, "RAY_ADDRESS": address, "PYTHONPATH": str(_REPOSITORY)},
    )
    try:
        while training.poll() is None:
            text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
            exported |= set(re.findall(r"^(ray_\w+)\{", text, re.MULTILINE))
            time.sleep(0.3)
    finally:
        training.kill()
        training.wait()
    assert training.returncode == 0
    # This machine may have no GPU: of those metrics, Ray's own list of names has to do.
    of_gpus = {f"ray_{name}" for name in METRICS_GAUGES if name.startswith("node_gpus")}
    shown = _shown()
    assert shown <= exported | of_gpus
    assert {name for name in exported if name.startswith("ray_advent_dist_loss_")}
    assert "ray_advent_dist_target_miou" in shown


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
