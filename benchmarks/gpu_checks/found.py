"""What a check has found, and the line by which its process says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

_BEGINS = '{"said": '


@dataclass(frozen=True, kw_only=True)
class Found:
    """A check that has passed."""

    said: str
    """In a few words."""

    numbers: Mapping[str, float | str] = field(default_factory=dict)
    """The same to be read by programs; names end with units."""

    ratios: Mapping[str, float] = field(default_factory=dict)
    """Those to be compared with other runs' by their names."""

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


def read(output: str) -> Found | None:
    """The last such line, whatever libraries have printed around it; None if there is none."""
    for line in reversed(output.splitlines()):
        if line.startswith(_BEGINS):
            return Found(**json.loads(line))
    return None
