"""The cluster files: as Ray reads them, whole once they are filled in, and refused before."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import validate_config

from advent_dist.errors import ConfigError
from advent_dist.experiments.environment import named_experiment
from cluster.doctor.cluster_file import judge_cluster_file
from cluster.doctor.finding import Finding
from cluster.doctor.shape import autoscaling, variables

REPOSITORY = Path(__file__).parents[3]
FILES = ("ray_cluster.yaml", "cluster/onprem.yaml", "cluster/gcp.yaml", "cluster/kuberay.yaml")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


def _filled(name: str, tmp_path: Path, *changes: tuple[str, str]) -> str:
    """A cluster file with its placeholders filled in, and something else changed."""
    key = tmp_path / "key"
    key.touch(mode=0o600)
    text = (REPOSITORY / name).read_text().replace("~/.ssh/id_ed25519", str(key))
    text = text.replace("token: ~/.ray/auth_token", f"token: {key}")
    text = text.replace("head_ip: CHANGE-ME-head", "head_ip: ''")
    text = text.replace("CHANGE-ME-workers", "[]")
    text = re.sub("CHANGE-ME(-[a-z]+)?", "filled-in", text)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    return str(path)


def _failures(findings: list[Finding]) -> dict[str, str]:
    return {one.check: one.said for one in findings if one.level == "failure"}


@pytest.mark.parametrize("name", FILES)
def test_as_it_stands_it_is_refused(name: str) -> None:
    assert "values still hold CHANGE-ME" in _failures(judge_cluster_file(name))["cluster file"]


def test_ray_refuses_a_rack_without_its_hosts_at_once() -> None:
    with pytest.raises(jsonschema.ValidationError, match="CHANGE-ME-workers"):
        validate_config(yaml.safe_load((REPOSITORY / "cluster/onprem.yaml").read_text()))


@pytest.mark.parametrize("name", FILES)
def test_filled_in_it_passes(name: str, tmp_path: Path) -> None:
    assert _failures(judge_cluster_file(_filled(name, tmp_path))) == {}


@pytest.mark.parametrize("name", FILES)
def test_it_names_an_experiment_and_data(name: str) -> None:
    documents = list(yaml.safe_load_all((REPOSITORY / name).read_text()))
    chosen = named_experiment(variables(documents))
    assert chosen is not None
    assert chosen.data.root.endswith("/shards")
    assert chosen.run.storage.endswith("/runs")


@pytest.mark.parametrize("name", FILES[:3])
def test_what_the_commands_run_is_in_the_repository(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    used = re.findall(r"~/advent_dist/([\w./]+)", text)
    assert "cluster/setup.sh" in used
    assert all((REPOSITORY / path).is_file() for path in used)
    assert not {".git", ".venv"} - set(yaml.safe_load(text)["rsync_exclude"])


@pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here")
@pytest.mark.parametrize("name", FILES[:3])
def test_every_module_goes_to_the_nodes(name: str, tmp_path: Path) -> None:
    excluded = yaml.safe_load((REPOSITORY / name).read_text())["rsync_exclude"]
    modules = [
        str(path)
        for package in ("advent_dist", "cluster", "shards", "tune")
        for path in Path(package).rglob("*.py")
    ]
    flags = [f"--exclude={pattern}" for pattern in excluded]
    copy = ["rsync", "--archive", "--dry-run", "--out-format=%n", *flags, "./", str(tmp_path)]
    copied = subprocess.run(copy, capture_output=True, check=True, text=True).stdout
    assert set(modules) <= set(copied.splitlines())


def _node_types(name: str) -> dict[str, Any]:
    types: dict[str, Any] = yaml.safe_load((REPOSITORY / name).read_text())["available_node_types"]
    return types


@pytest.mark.parametrize("name", ["ray_cluster.yaml", "cluster/gcp.yaml"])
def test_the_head_never_trains_and_workers_come_and_go(name: str) -> None:
    types = _node_types(name)
    assert types["head"]["resources"] == {"CPU": 0}
    assert types["head"]["max_workers"] == 0
    for kind in ("gpu_spot", "gpu_on_demand"):
        assert types[kind]["min_workers"] == 0
        assert types[kind]["resources"]["GPU"] >= 1


@pytest.mark.parametrize("name", FILES[:3])
def test_the_dashboard_is_on_loopback(name: str) -> None:
    commands = yaml.safe_load((REPOSITORY / name).read_text())["head_start_ray_commands"]
    assert "--dashboard-host=127.0.0.1" in commands[-1]
    assert "--num-cpus=0" in commands[-1]


@pytest.mark.parametrize("name", FILES[:3])
def test_no_command_ends_the_shell_that_runs_it(name: str) -> None:
    for command in yaml.safe_load((REPOSITORY / name).read_text())["worker_start_ray_commands"]:
        patterns = re.findall("pkill -f '(.+?)'", command)
        assert not [one for one in patterns if re.search(one, command)]


def test_kubernetes_groups_are_as_ray_reads_them() -> None:
    documents = list(yaml.safe_load_all((REPOSITORY / "cluster/kuberay.yaml").read_text()))
    cluster = next(one for one in documents if one["kind"] == "RayCluster")
    config = autoscaling(cluster)
    assert config["available_node_types"]["headgroup"]["resources"]["CPU"] == 0
    gpu = config["available_node_types"]["gpu"]
    assert (gpu["resources"]["GPU"], gpu["resources"]["CPU"], gpu["max_workers"]) == (1, 4, 8)
    assert config["idle_timeout_minutes"] == 10
    job = next(one for one in documents if one["kind"] == "RayJob")
    assert job["spec"]["clusterSelector"]["ray.io/cluster"] == cluster["metadata"]["name"]
    assert job["spec"]["entrypoint"] == "python /home/ray/advent_dist/tune/search.py"
    dockerfile = (REPOSITORY / "cluster/Dockerfile").read_text()
    assert "WORKDIR /home/ray/advent_dist" in dockerfile
    # The pgrep of the preStop hook: slim images have none.
    assert "pgrep" in str(cluster)
    assert " procps " in dockerfile
    import ray

    assert cluster["spec"]["rayVersion"] == ray.__version__


@pytest.mark.parametrize(
    ("name", "change", "check", "message"),
    [
        (
            "ray_cluster.yaml",
            ("head_node_type: head", "head_node_type: haed"),
            "cluster file",
            "`head_node_type` must be",
        ),
        ("ray_cluster.yaml", ("max_workers: 8", "max_wokers: 8"), "cluster file", "max_wokers"),
        ("ray_cluster.yaml", ("streets_advent", "strets_advent"), "cluster file", "did you mean"),
        (
            "ray_cluster.yaml",
            ("cluster.gpus_per_worker=1", "cluster.workers=9 cluster.gpus_per_worker=1"),
            "resources",
            "never room for more than 8",
        ),
        ("cluster/kuberay.yaml", ("maxReplicas: 8", "maxReplicas: 1"), "resources", "more than 1"),
        ("cluster/kuberay.yaml", ("      maxReplicas: 8\n", ""), "cluster file", "Ray refuses it"),
        (
            "cluster/onprem.yaml",
            ("~/advent_dist: .", "~/advent_dist: ./gone"),
            "cluster file",
            "gone",
        ),
        ("cluster/onprem.yaml", ("head_ip: ''", "head_ip: 127.0.0.2"), "hosts", "port 22"),
    ],
)
def test_what_can_not_work(
    name: str, change: tuple[str, str], check: str, message: str, tmp_path: Path
) -> None:
    assert message in _failures(judge_cluster_file(_filled(name, tmp_path, change)))[check]


@pytest.mark.parametrize("name", ["cluster/onprem.yaml", "cluster/gcp.yaml"])
def test_a_token_is_asked_for_where_others_share_the_network(name: str, tmp_path: Path) -> None:
    """AWS has a security group in its place, Kubernetes a policy."""
    documents = [yaml.safe_load((REPOSITORY / name).read_text())]
    assert variables(documents)["RAY_AUTH_MODE"] == "token"
    assert documents[0]["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    path = _filled(name, tmp_path, (str(tmp_path / "key\n"), str(tmp_path / "auth_token\n")))
    (found,) = [one for one in judge_cluster_file(path) if "file_mounts" in one.said]
    assert "auth_token here" in found.said
    assert "ray get-auth-token --generate" in found.fix


def test_keys_and_secrets(tmp_path: Path) -> None:
    path = _filled("cluster/onprem.yaml", tmp_path)
    (tmp_path / "key").chmod(0o644)
    assert "others may read it" in _failures(judge_cluster_file(path))["ssh key"]
    (tmp_path / "key").unlink()
    assert "there is no" in _failures(judge_cluster_file(path))["ssh key"]
    secret = ("  - bash", "  - export AWS_SECRET_ACCESS_KEY=abcdefgh\n  - bash")
    path = _filled("ray_cluster.yaml", tmp_path, secret)
    said = _failures(judge_cluster_file(path))["cluster file"]
    assert "looks like a secret" in said
    assert "abcdefgh" not in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("provider:\n  type: local", "provider: local\nmore:"),
            "neither a provider with its type",
        ),
        (("  - bash ~/advent_dist", "  - echo don't; bash ~/advent_dist"), "No closing quotation"),
    ],
)
def test_mistakes_of_its_form(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        judge_cluster_file(_filled("cluster/onprem.yaml", tmp_path, change))


def test_a_section_without_values(tmp_path: Path) -> None:
    auth = "auth:\n  ssh_user: filled-in\n  ssh_private_key: " + str(tmp_path / "key")
    path = _filled("cluster/onprem.yaml", tmp_path, (auth, "auth:"))
    assert "Ray refuses it" in _failures(judge_cluster_file(path))["cluster file"]


def test_no_cluster_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        judge_cluster_file(str(tmp_path / "none.yaml"))
    (tmp_path / "a.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="is not YAML"):
        judge_cluster_file(str(tmp_path / "a.yaml"))
    (tmp_path / "a.yaml").write_text("a: b")
    with pytest.raises(ConfigError, match="neither a provider with its type nor"):
        judge_cluster_file(str(tmp_path / "a.yaml"))
