"""`kuberay.yaml` as Kubernetes and KubeRay would check it, by their schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

FILE = Path(__file__).parents[3] / "cluster" / "kuberay.yaml"
SCHEMA = yaml.safe_load(Path(__file__).with_name("kuberay_schema.yaml").read_text())


def check(text: str) -> list[str]:
    """Check every document, and every pod template in them.

    Returns:
        The kinds of objects in the file, pods among them.
    """
    kinds = []
    for document in yaml.safe_load_all(text):
        kinds.append(document["kind"])
        if document["apiVersion"] == "ray.io/v1":
            jsonschema.validate(document, SCHEMA)
        else:
            kubernetes_validate.validate(document, "1.33", strict=True)
        for template in _pod_templates(document):
            kinds.append("Pod")
            pod = {"apiVersion": "v1", "kind": "Pod", **template}
            kubernetes_validate.validate(pod, "1.33", strict=True)
    return kinds


def _pod_templates(part: Any) -> list[dict[str, Any]]:
    if isinstance(part, list):
        return [template for one in part for template in _pod_templates(one)]
    if not isinstance(part, dict):
        return []
    if "containers" in part.get("spec", {}):
        return [part]
    return _pod_templates(list(part.values()))


def test_every_object_is_as_its_schema_says() -> None:
    kinds = check(FILE.read_text())
    assert kinds == ["ConfigMap", "RayCluster", "Pod", "Pod", "NetworkPolicy", "RayJob"]


def _matches(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    """Whether a selector of labels alone chooses something; an empty one chooses all."""
    return selector is not None and selector.get("matchLabels", {}).items() <= labels.items()


def _may_reach(labels: dict[str, str], namespace: str, port: int) -> bool:
    """Whether a pod may connect to the cluster's, as Kubernetes reads the policy."""
    documents = list(yaml.safe_load_all(FILE.read_text()))
    (policy,) = (one for one in documents if one["kind"] == "NetworkPolicy")
    own = policy["metadata"]["namespace"]
    for rule in policy["spec"]["ingress"]:
        peers = [
            _matches(peer["podSelector"], labels)
            and (namespace == own if "namespaceSelector" not in peer else True)
            for peer in rule["from"]
        ]
        if any(peers) and port in [one["port"] for one in rule.get("ports", [])] + [port] * (
            "ports" not in rule
        ):
            return True
    return False


def test_a_strange_pod_submits_no_job() -> None:
    documents = list(yaml.safe_load_all(FILE.read_text()))
    by_kind = {one["kind"]: one for one in documents}
    cluster, policy = by_kind["RayCluster"]["metadata"], by_kind["NetworkPolicy"]
    own = {"ray.io/cluster": cluster["name"]}  # KubeRay gives it to the head and to all workers
    assert policy["metadata"]["namespace"] == cluster["namespace"]
    assert policy["spec"]["podSelector"] == {"matchLabels": own}
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    job = {"batch.kubernetes.io/job-name": by_kind["RayJob"]["metadata"]["name"]}
    operator = {"app.kubernetes.io/name": "kuberay-operator"}
    strange = {"app": "web"}
    ports = (6379, 8265, 10001, 30000)
    assert [_may_reach(own, "default", port) for port in ports] == [True] * 4
    assert [_may_reach(own, "elsewhere", port) for port in ports] == [False] * 4
    for submitter, namespace in ((job, "default"), (operator, "kuberay")):
        reached = [_may_reach(submitter, namespace, port) for port in ports]
        assert reached == [False, True, False, False]
    assert [_may_reach(strange, "default", port) for port in ports] == [False] * 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("enableInTreeAutoscaling", "enableAutoscaling", "enableAutoscaling"),
        ("maxReplicas: 8", "maxReplicas: eight", "eight"),
        ('num-cpus: "0"', "num-cpus: 0", "0 is not of type 'string'"),
        ("clusterSelector:", "clusterselector:", "clusterselector"),
        ("mountPath: /cache", "path: /cache", "path"),
        ("terminationGracePeriodSeconds", "gracePeriodSeconds", "gracePeriodSeconds"),
        ("ADVENT_DIST_EXPERIMENT: streets_advent", "ADVENT_DIST_EXPERIMENT: 1", "1 is not of"),
    ],
)
def test_a_mistake_is_seen(old: str, new: str, message: str) -> None:
    text = FILE.read_text()
    assert old in text
    with pytest.raises(jsonschema.ValidationError, match=message):
        check(text.replace(old, new))
