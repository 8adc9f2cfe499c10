"""Are the ratios in benchmarks/results still true? It takes minutes, and fails where one is not.

    python benchmarks/check.py [--allowed 1.15]

Of the ratios that are costs over costs, measured anew in fewer rounds than those that are kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import tyro

HERE = Path(__file__).parent
QUICKLY = {
    "start": ["--rounds", "3", "--trainings", "0"],
    "evaluate": ["--rounds", "5"],
    "step": ["--steps", "4", "--no-memory"],
}
"""Script, which keeps its result under its own name -> flags for a look."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is looked at, and how closely."""

    only: tuple[str, ...] = tuple(QUICKLY)
    """Scripts that are run."""

    allowed: float = 1.15
    """How many times the kept ratio a ratio may be."""


class Found(NamedTuple):
    """A ratio, as it was kept and as it is."""

    name: str
    kept: float
    now: float

    def holds(self, allowed: float) -> bool:
        """Whether it is not worse than allowed."""
        return self.now <= allowed * self.kept


def main() -> None:
    """Run the scripts, print a table, and fail if a ratio has become worse."""
    options = tyro.cli(Options)
    found = [one for script in options.only for one in look(script)]
    print("| ratio | kept | now | |\n| --- | ---: | ---: | --- |")
    for one in found:
        said = "" if one.holds(options.allowed) else "worse"
        print(f"| {one.name} | {one.kept:.2f} | {one.now:.2f} | {said} |")
    worse = [one.name for one in found if not one.holds(options.allowed)]
    if worse:
        raise SystemExit(f"worse than {options.allowed:g} times what is kept: {'; '.join(worse)}")


def look(script: str) -> list[Found]:
    """Run a script, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "result.json")
        command = [sys.executable, str(HERE / f"{script}.py"), *QUICKLY[script]]
        done = subprocess.run(
            [*command, "--json", str(out)], stdout=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            raise SystemExit(f"benchmarks/{script}.py failed; see above")
        now = json.loads(out.read_text())["ratios"]
    kept = json.loads((HERE / "results" / f"{script}.json").read_text())["ratios"]
    return compared(kept, now)


def compared(kept: Mapping[str, float], now: Mapping[str, float]) -> list[Found]:
    """The ratios that were measured again; one that is kept nowhere is a mistake.

    Raises:
        KeyError: a ratio has no kept one of its name.
    """
    return [Found(name, kept[name], value) for name, value in now.items()]


if __name__ == "__main__":
    main()
