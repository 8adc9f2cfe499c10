"""One line of the doctor's answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "failure"]

HERE = "here"
"""`where` of what was found on the machine that the doctor was called on."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found at one place."""

    level: Level
    """`failure` if a run would fail or be wrong, `warning` if it would be slow or surprising."""

    check: str
    """What was looked at."""

    where: str
    """Name of the node, `here`, or the place that was looked at."""

    said: str
    """What was found, in one sentence."""

    fix: str = ""
    """What to do about it; empty if all is well."""


def ok(check: str, where: str, said: str) -> Finding:
    """All is well."""
    return Finding(level="ok", check=check, where=where, said=said)


def warning(check: str, where: str, said: str, fix: str) -> Finding:
    """A run would be slow or surprising."""
    return Finding(level="warning", check=check, where=where, said=said, fix=fix)


def failure(check: str, where: str, said: str, fix: str) -> Finding:
    """A run would fail or be wrong."""
    return Finding(level="failure", check=check, where=where, said=said, fix=fix)


def passes(findings: Iterable[Finding]) -> bool:
    """Whether a run may start."""
    return all(finding.level != "failure" for finding in findings)
