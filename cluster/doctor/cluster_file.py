"""A cluster file before it is used: what is left to fill in, and what can't work."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from advent_dist.data.store import local_path
from advent_dist.errors import ConfigError
from cluster.doctor.finding import Finding, failure, ok, passes
from cluster.doctor.shape import judge_shape, variables

PLACEHOLDER = "CHANGE-ME"
_SSH_PORT, _TIMEOUT_S = 22, 5.0
_SECRET = re.compile(
    r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|aws_secret_access_key\s*[=:]\s*[^\s$.]",
    re.IGNORECASE,
)

Tree = dict[str, Any]


def judge_cluster_file(path: str) -> list[Finding]:
    """Look at a file of `ray up`, or of RayClusters for `kubectl`.

    Raises:
        ConfigError: it can't be read, or is no cluster file.
        DataError: it is a URL.
    """
    path = str(local_path("--cluster-file", path))
    documents = _read(path)
    unfilled = _placeholders(path, documents)
    findings = [*unfilled, *_secrets(path)]
    clusters = [one for one in documents if one.get("kind") == "RayCluster"]
    if not clusters and not isinstance(documents[0].get("provider"), dict):
        raise ConfigError(
            f"{path} is no cluster file: it has neither a provider with its type nor a RayCluster"
        )
    for one in clusters or documents[:1]:
        # A placeholder in a list's place would be a second complaint about the same line.
        findings += [] if unfilled else judge_shape(one, variables(documents), path)
        if not clusters:
            findings += [*_mounts(one, path), *_key(one, path), *_hosts(one)]
    if passes(findings):
        findings.append(ok("cluster file", path, "nothing is missing"))
    return findings


def _read(path: str) -> list[Tree]:
    try:
        documents = list(yaml.safe_load_all(Path(path).read_text()))
    except OSError as error:
        raise ConfigError(f"--cluster-file {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        place = " ".join(str(error).split())
        raise ConfigError(f"--cluster-file {path} is not YAML: {place}") from error
    if not documents or not all(isinstance(one, dict) for one in documents):
        raise ConfigError(f"--cluster-file {path} holds no mapping; give a file of ray up")
    return documents


def _leaves(tree: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Dotted path and text of every string in a document."""
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            yield from _leaves(value, f"{at}.{name}".lstrip("."))
    elif isinstance(tree, Sequence) and not isinstance(tree, str):
        for number, value in enumerate(tree):
            yield from _leaves(value, f"{at}[{number}]")
    elif isinstance(tree, str):
        yield at, tree


def _placeholders(path: str, documents: list[Tree]) -> list[Finding]:
    left = [at for one in documents for at, text in _leaves(one) if PLACEHOLDER in text]
    if not left:
        return []
    said = f"{len(left)} values still hold {PLACEHOLDER}: {', '.join(left)}"
    return [failure("cluster file", path, said, "fill them in")]


def _secrets(path: str) -> list[Finding]:
    lines = Path(path).read_text().splitlines()
    found = [number for number, line in enumerate(lines, start=1) if _SECRET.search(line)]
    if not found:
        return []
    said = f"what looks like a secret stands in line {', '.join(map(str, found))}"
    fix = "take it out: use an instance profile, a service account or a Kubernetes secret"
    return [failure("cluster file", path, said, fix)]


def _mounts(one: Tree, path: str) -> list[Finding]:
    missing = [
        source
        for source in (one.get("file_mounts") or {}).values()
        if not os.path.exists(os.path.expanduser(source))
    ]
    if missing:
        fix = "call ray from the root of the repository"
        if any(source.endswith("/auth_token") for source in missing):
            fix = "make it: ray get-auth-token --generate > /dev/null"
        return [failure("cluster file", path, f"file_mounts: no {', '.join(missing)} here", fix)]
    here = set((one.get("file_mounts") or {}).values())
    if "." in here and not os.path.exists("cluster/setup.sh"):
        fix = "call ray, and this, from the root of the repository"
        return [failure("cluster file", path, "file_mounts: . is not the repository", fix)]
    return []


def _key(one: Tree, path: str) -> list[Finding]:
    name = (one.get("auth") or {}).get("ssh_private_key")
    if name is None:
        return []
    key = Path(name).expanduser()
    if not key.is_file():
        fix = "ssh-keygen -t ed25519, and ssh-copy-id to every host; or name another key"
        return [failure("ssh key", path, f"auth.ssh_private_key: there is no {name}", fix)]
    if key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return [
            failure("ssh key", path, f"ssh ignores {name}: others may read it", f"chmod 600 {name}")
        ]
    return []


def _hosts(one: Tree) -> list[Finding]:
    """Whether somebody answers at the ssh port of every host of a `local` cluster."""
    provider = one["provider"]
    workers = provider.get("worker_ips")
    hosts = [provider.get("head_ip"), *(workers if isinstance(workers, list) else [])]
    named = [host for host in hosts if host and PLACEHOLDER not in host]
    with ThreadPoolExecutor(max_workers=32) as threads:
        errors = threads.map(_why_unreachable, named)
    fix = "is it up, on this network, with sshd? correct its address or take it out"
    return [
        failure("hosts", host, f"no answer at port {_SSH_PORT}: {error}", fix)
        for host, error in zip(named, errors, strict=True)
        if error
    ]


def _why_unreachable(host: str) -> str:
    try:
        socket.create_connection((host, _SSH_PORT), timeout=_TIMEOUT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
