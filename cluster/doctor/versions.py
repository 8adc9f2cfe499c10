"""The same software everywhere: packages, Python, and the project's own code."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from cluster.doctor.finding import HERE, Finding, failure, ok

_DISTRIBUTION = "advent-dist"
_PACKAGES = ("advent_dist", "cluster", "shards", "tune")
_MISSING = "none"

Versions = Mapping[str, str]
"""Name of a package, `python` or `code` -> its version."""


def installed_versions() -> dict[str, str]:
    """What is installed on this machine."""
    found = {name: _version(name) for name in _required()}
    return {"python": _minor(platform.python_version()), "code": _digest(), **found}


def judge_requirements(versions: Versions) -> list[Finding]:
    """Whether this machine has what the project's own metadata asks for."""
    required = _required()
    if not required:
        return [
            failure(
                "versions",
                HERE,
                f"the package {_DISTRIBUTION} is not installed",
                "make setup, or pip install -c constraints.txt -e .",
            )
        ]
    wrong = [
        f"{name} {versions[name]} (needs {requirement.specifier})"
        for name, requirement in required.items()
        if versions[name] == _MISSING or not requirement.specifier.contains(versions[name], True)
    ]
    if wrong:
        fix = "pip install -c constraints.txt -e ."
        return [failure("versions", HERE, f"too old or missing: {', '.join(wrong)}", fix)]
    main = ", ".join(f"{name} {versions[name]}" for name in ("python", "torch", "ray", "deepspeed"))
    return [ok("versions", HERE, main)]


def judge_equal(here: Versions, nodes: Mapping[str, Versions]) -> list[Finding]:
    """Whether every node has what this machine has.

    Args:
        here: This machine's versions.
        nodes: Name of a node -> its versions.
    """
    findings = []
    for node, there in nodes.items():
        wrong = [
            f"{name} is {there.get(name, _MISSING)}, here {here[name]}"
            for name in here
            if there.get(name, _MISSING) != here[name]
        ]
        if wrong:
            fix = "install the repository there anew with constraints.txt (ray up does), restart"
            findings.append(failure("versions", node, "; ".join(wrong), fix))
    return findings or [ok("versions", f"{len(nodes)} nodes", "the same packages and code")]


def _required() -> dict[str, Requirement]:
    """The distribution's requirements without extras; none if it is not installed."""
    try:
        every = [Requirement(line) for line in requires(_DISTRIBUTION) or []]
    except PackageNotFoundError:
        return {}
    return {one.name: one for one in every if one.marker is None or one.marker.evaluate()}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return _MISSING


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def _digest() -> str:
    """A short hash of the project's own sources, wherever they are installed."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for file in sorted(Path(folder).rglob("*.py")):
                digest.update(f"{package}/{file.relative_to(folder)}\n".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
