"""What a cluster could grow to, as the head knows it."""

from __future__ import annotations

from pathlib import Path

import yaml
from ray.autoscaler._private.util import prepare_config

from cluster.autoscaled import autoscaled

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
