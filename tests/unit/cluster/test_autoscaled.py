"""What a cluster could grow to, as the head knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from ray.autoscaler._private.util import prepare_config

import cluster.autoscaled
from cluster.autoscaled import at_least, autoscaled, may_grow

REPOSITORY = Path(__file__).parents[3]


def _on_the_head(tmp_path: Path, name: str, **changes: object) -> Path:
    config = yaml.safe_load((REPOSITORY / name).read_text()) | changes
    path = tmp_path / "ray_bootstrap_config.yaml"
    path.write_text(yaml.safe_dump(prepare_config(config)))
    return path


def test_every_worker_of_every_group(tmp_path: Path) -> None:
    assert autoscaled(_on_the_head(tmp_path, "ray_cluster.yaml")) == ({"CPU": 4, "GPU": 1},) * 8


def test_no_more_than_the_whole_cluster_may_have(tmp_path: Path) -> None:
    assert len(autoscaled(_on_the_head(tmp_path, "ray_cluster.yaml", max_workers=3))) == 3


def test_hosts_that_are_there_and_a_cluster_of_another_kind(tmp_path: Path) -> None:
    assert autoscaled(_on_the_head(tmp_path, "cluster/onprem.yaml")) == ()
    assert autoscaled(tmp_path / "none.yaml") == ()


def test_hosts_that_are_there_are_all_wanted(tmp_path: Path) -> None:
    hosts = {"type": "local", "head_ip": "10.0.0.1", "worker_ips": ["10.0.0.2", "10.0.0.3"]}
    assert at_least(_on_the_head(tmp_path, "cluster/onprem.yaml", provider=hosts)) == 2
    assert at_least(_on_the_head(tmp_path, "ray_cluster.yaml")) == 0
    assert at_least(tmp_path / "none.yaml") == 0


class _Kubernetes:
    """The API server as a pod sees it: the RayCluster of the repository, or no right to read it."""

    def __init__(self, *, is_allowed: bool) -> None:
        self._is_allowed = is_allowed

    def get(self, path: str) -> dict[str, Any]:
        assert path == "rayclusters/advent-dist"
        if not self._is_allowed:
            raise requests.HTTPError("403 Forbidden")
        documents = yaml.safe_load_all((REPOSITORY / "cluster" / "kuberay.yaml").read_text())
        return next(one for one in documents if one["kind"] == "RayCluster")


@pytest.mark.parametrize("is_allowed", [True, False])
def test_pods(is_allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "namespace").write_text("default")
    monkeypatch.setenv("RAY_CLUSTER_NAME", "advent-dist")
    monkeypatch.setattr(cluster.autoscaled, "_NAMESPACE", tmp_path / "namespace")
    monkeypatch.setattr(
        cluster.autoscaled,
        "KubernetesHttpApiClient",
        lambda namespace: _Kubernetes(is_allowed=is_allowed),
    )
    assert may_grow() is not is_allowed
    assert len(autoscaled()) == (8 if is_allowed else 0)
    assert all(pod["GPU"] == 1 for pod in autoscaled())
    assert at_least() == 0
