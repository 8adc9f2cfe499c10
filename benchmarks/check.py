"""Are the ratios in benchmarks/results still true? It takes minutes, and fails where one is not.

    python benchmarks/check.py [--only NAME ...] [--allowed 1.15] [--record]

Of the ratios that are costs over costs, measured anew in fewer rounds than those that are kept, or
on smaller images where a result of those is kept, too. What a ratio is depends on the host, its
caches and its instructions: each is held to the worst that was seen of it, where `--record` adds
what it finds to what was seen.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import tyro
from record import add_seen

HERE = Path(__file__).parent


class Look(NamedTuple):
    """How a script is run for a look."""

    flags: Sequence[str]
    """Its command line."""

    kept: str
    """Name of the result that it is compared with."""

    left_out: tuple[str, ...] = ()
    """How names of kept ratios begin that are not looked at."""


QUICKLY = {
    "start": Look(["--rounds", "3", "--trainings", "0"], "start"),
    "evaluate": Look(["--rounds", "5"], "evaluate"),
    # A process of each loop for its memory takes as long again.
    "step": Look(["--steps", "4", "--no-memory"], "step", ("memory of a step, ",)),
    "activations": Look(
        ["--encoders", "tf_efficientnet_lite0", "--rounds", "3"],
        "activations",
        ("resnet50: ", "convnext_tiny: ", "vit_small_patch14_dinov2: ", "deeplab_v2: "),
    ),
    "checkpoint": Look(["--rounds", "1"], "checkpoint"),
    "self_training_step": Look(
        ["--rounds", "1", "--steps", "2", "--scale", "0.5"], "self_training_step_quick"
    ),
    # What others do on this machine is in the clock's seconds, and not in the CPU's.
    "overhead": Look(
        ["--rounds", "1", "--steps", "6", "--scale", "0.25"],
        "overhead_quick",
        ("step of the whole product / ",),
    ),
}
"""Script -> how it is run."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is looked at, and how closely."""

    only: tuple[str, ...] = tuple(QUICKLY)
    """Scripts that are run."""

    allowed: float = 1.15
    """How many times the worst that was seen a ratio may be."""

    record: bool = False
    """Add what is found to what was seen, on another host, say; then none is too bad."""


class Found(NamedTuple):
    """A ratio, as it was seen and as it is."""

    name: str
    worst: float
    now: float

    def holds(self, allowed: float) -> bool:
        """Whether it is not worse than allowed."""
        return self.now <= allowed * self.worst


def main() -> None:
    """Run the scripts, print a table, and fail if a ratio has become worse."""
    options = tyro.cli(Options)
    found = [one for script in options.only for one in look(script, record=options.record)]
    print("| ratio | worst seen | now | |\n| --- | ---: | ---: | --- |")
    for one in found:
        said = "" if one.holds(options.allowed) else "worse"
        print(f"| {one.name} | {one.worst:.2f} | {one.now:.2f} | {said} |")
    worse = [one.name for one in found if not one.holds(options.allowed)]
    if worse:
        raise SystemExit(f"worse than {options.allowed:g} times what was seen: {'; '.join(worse)}")


def look(script: str, *, record: bool = False) -> list[Found]:
    """Run a script, and compare."""
    quickly = QUICKLY[script]
    file = HERE / "results" / f"{quickly.kept}.json"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "result.json")
        command = [sys.executable, str(HERE / f"{script}.py"), *quickly.flags]
        done = subprocess.run(
            [*command, "--json", str(out)], stdout=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            raise SystemExit(f"benchmarks/{script}.py failed; see above")
        now = json.loads(out.read_text())["ratios"]
    if record:
        add_seen(file, now)
    kept = json.loads(file.read_text())
    return compared(worst_seen(kept), now, quickly.left_out)


def worst_seen(kept: Mapping[str, Mapping[str, float | Sequence[float]]]) -> dict[str, float]:
    """The largest of each ratio of a result: the one that is kept, or one that was `seen`."""
    seen = kept.get("seen", {})
    return {name: max([value, *seen.get(name, [])]) for name, value in kept["ratios"].items()}  # type: ignore[list-item, misc]


def compared(
    worst: Mapping[str, float], now: Mapping[str, float], left_out: tuple[str, ...] = ()
) -> list[Found]:
    """The ratios that were measured again.

    Args:
        worst: those that are kept, by name.
        now: those that were found.
        left_out: how names begin of those that are not looked at.

    Raises:
        SystemExit: one has no kept one of its name, or one that is kept was not measured.
    """
    kept, found = (
        {name: value for name, value in ratios.items() if not name.startswith(left_out)}
        for ratios in (worst, now)
    )
    if new := found.keys() - kept.keys():
        raise SystemExit(f"no such ratio is kept: {'; '.join(sorted(new))}")
    if missing := kept.keys() - found.keys():
        raise SystemExit(f"kept, and not measured any more: {'; '.join(sorted(missing))}")
    return [Found(name, kept[name], value) for name, value in found.items()]


if __name__ == "__main__":
    main()
