"""All checks, in order: this machine first, then the storage and the data, then every node."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from advent_dist.config import ClusterConfig, Experiment
from advent_dist.data.store import impatient
from cluster.capacity import capacity, idle_head, training_nodes
from cluster.device import on_cluster
from cluster.doctor.clock import judge_clocks, measure_offset
from cluster.doctor.data import look_at_shards, training_folders
from cluster.doctor.devices import judge_devices
from cluster.doctor.engines import judge_engine
from cluster.doctor.finding import HERE, Finding, failure, ok, warning
from cluster.doctor.fleet import Fleet, fleet
from cluster.doctor.links import Transfer, judge_links, judge_reads
from cluster.doctor.networks import look_at_networks
from cluster.doctor.node import Node, look_around
from cluster.doctor.resources import judge_head, judge_resources
from cluster.doctor.space import judge_space
from cluster.doctor.storage import (
    look_at_storage,
    token_of,
    try_reading,
)
from cluster.doctor.versions import judge_equal, judge_requirements


def examine_here(experiment: Experiment | None) -> list[Finding]:
    """Examine this machine, and what it sees of storage and data.

    Args:
        experiment: The run to be; None examines the machine alone.
    """
    node = look_around(experiment.data.cache_dir if experiment else None)
    findings = judge_requirements(node.versions)
    findings += judge_devices({HERE: node.devices}, {}, experiment)
    findings += judge_space({HERE: node.space}, experiment)
    if experiment is None:
        return findings
    if experiment.cluster.gpus_per_worker and not node.devices.gpus:
        fix = "run there: advent-dist doctor --cluster"
        findings.append(warning("devices", HERE, "no GPU here; the cluster may have some", fix))
    findings += judge_engine(experiment)
    findings += look_at_networks(experiment)
    findings += look_at_shards(experiment)
    findings += look_at_storage(token_of(experiment))
    return findings


def examine_cluster(experiment: Experiment | None) -> list[Finding]:
    """Examine every node of the Ray cluster that this process is connected to.

    Args:
        experiment: The run to be; None examines the machines alone.
    """
    device = ""
    if experiment is not None:
        experiment, device = on_cluster(experiment)
    cache_dir = experiment.data.cache_dir if experiment else None
    here = look_around(cache_dir)
    with fleet() as nodes:
        told: dict[str, Node] = nodes.ask("look_around", cache_dir)
        if not told:
            return nodes.silent
        findings = judge_requirements(here.versions)
        versions = {name: node.versions for name, node in told.items()}
        findings += judge_equal(here.versions, versions)
        devices = {name: node.devices for name, node in told.items()}
        findings += judge_devices(devices, nodes.announced_gpus(), experiment)
        if device:
            findings.append(ok("devices", "cluster", f"the run {device}"))
        training = nodes.training(experiment.cluster) if experiment else []
        # A cache is for those that train.
        space = {
            name: node.space if name in training else replace(node.space, cache=None)
            for name, node in told.items()
        }
        findings += judge_space(space, experiment)
        findings += _clocks(nodes)
        findings += judge_links(_links(nodes))
        if experiment is not None:
            findings += judge_engine(experiment)
            findings += _room(experiment.cluster, training, len(told))
            findings += judge_resources(
                experiment, capacity(training_nodes(experiment.cluster)), "cluster"
            )
            findings += look_at_networks(experiment)
            findings += look_at_shards(experiment)
            findings += _storage(nodes, experiment)
        return nodes.silent + findings


def _room(cluster: ClusterConfig, training: list[str], num_nodes: int) -> list[Finding]:
    """Whether there are nodes that train, other than the head."""
    head = judge_head(cluster, is_idle=idle_head(cluster) is not None, num_nodes=num_nodes)
    if training:
        return head
    said = "none is up that trains: storage and shards are tried from the others only"
    return [*head, warning("nodes", "cluster", said, "call the doctor again when workers are up")]


def _clocks(nodes: Fleet) -> list[Finding]:
    offsets = {}
    for name in nodes.names:
        with nodes.dropping(name):
            offsets[name] = measure_offset(lambda name=name: nodes.ask_one(name, "now"))  # type: ignore[misc]
    return judge_clocks(offsets)


def _links(nodes: Fleet) -> dict[tuple[str, str], Transfer]:
    """From each node to the next, in a ring, as a ring of ranks sends its gradients."""
    names = nodes.names
    ring = [*pairwise(names), (names[-1], names[0])] if len(names) > 1 else []
    links = {}
    for sender, receiver in ring:
        if not {sender, receiver} <= set(nodes.names):
            continue
        with nodes.dropping(sender):
            address, port = nodes.ask_one(sender, "serve")
            with nodes.dropping(receiver):
                links[sender, receiver] = nodes.ask_one(receiver, "fetch", address, port)
    return links


def look_from_everywhere(nodes: Fleet, experiment: Experiment) -> list[Finding]:
    """Whether every node writes to the storage, sees what others wrote, and reads the shards."""
    token = token_of(experiment)
    findings = look_at_storage(token, lambda: nodes.ask("try_storage", token, named=True))
    data, urls = impatient(experiment.data), list(training_folders(experiment).values())
    if try_reading(urls, data).error:
        return findings  # the shards are a problem everywhere, and other checks tell it
    for name, trial in nodes.ask("try_reading", urls, data).items():
        if trial.error:
            fix = "--data.root s3://..., or a folder that all nodes share; AWS_* or a role"
            findings.append(failure("shards", name, trial.error, fix))
    return findings


def _storage(nodes: Fleet, experiment: Experiment) -> list[Finding]:
    """Shards readable and storage writable from every node, and how fast shards come."""
    findings = look_from_everywhere(nodes, experiment)
    source = training_folders(experiment)["source"]
    data = impatient(experiment.data)
    if any(one.check == "shards" for one in findings) or try_reading([source], data).error:
        return findings
    return findings + judge_reads(nodes.ask("read_some", source, data), source)
