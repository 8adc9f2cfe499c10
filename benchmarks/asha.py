"""Does ASHA find what the whole search finds, for less?

    python benchmarks/asha.py                       # replays the curves in benchmarks/results
    python benchmarks/asha.py --sweep runs/NAME     # takes new ones from a sweep run to the end:
    python tune/search.py --scheduler none --seeds-for-best 0 --name NAME ...

Every trial of one sweep was trained to the end, once. The scheduler is then replayed over their
curves in many orders. Random search gets the steps that ASHA took, for as many of the same trials.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro
from record import keep
from replay import Curve, asha, at_random, everything

from advent_dist.runfolder import RunFolder
from tune.folder import SweepFolder
from tune.options import Options as SweepOptions
from tune.plan import Plan, make_plan

QUESTION = "Does ASHA find what the whole search finds, for less?"
_RESULTS = Path(__file__).parent / "results"
_CURVES = _RESULTS / "asha_curves.json"
_WITHIN = 0.5
"""Points of mIoU from the best that count as found."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Replay ASHA over recorded trials, in many orders."""

    sweep: str | None = None
    """Sweep folder whose trials were all trained to the end; none takes the kept curves."""

    orders: int = 200
    """Orders in which the trials are started."""

    concurrent: int = 2
    """Trials at a time."""

    quick: bool = False
    """Five orders, nothing is kept."""

    json: Path | None = None
    """Where the result goes; a full run's default is benchmarks/results/asha.json."""


def main() -> None:
    options = tyro.cli(Options)
    if options.sweep is not None:
        record(options.sweep)
    recorded = json.loads(_CURVES.read_text())
    curves = [
        Curve(values=one["values"], steps=tuple(one["steps"]), mious=tuple(one["mious"]))
        for one in recorded["trials"]
    ]
    orders = 5 if options.quick else options.orders
    last = curves[0].steps[-1]
    rows = [
        compare(curves, plan, orders, options.concurrent)
        for factor in (2, 3, 4)
        for plan in [_plan(recorded["experiment"], last, curves[0].steps[0], factor)]
    ]
    sys.stdout.write(f"{len(curves)} trials of {last} steps, {orders} orders\n\n{table(rows)}")
    out = options.json or (None if options.quick else _RESULTS / "asha.json")
    ratios = {
        f"steps / whole search, factor {row['reduction_factor']}": row["share_of_steps"]
        for row in rows
    }
    keep(out, question=QUESTION, ratios=ratios, rows=rows)


def record(url: str) -> None:
    """Keep the curves of a sweep's trials."""
    folder = SweepFolder(url)
    trials = folder.trials()
    curves = []
    for trial in trials:
        rows = RunFolder.open(f"{url}/{trial.path}").rows()
        points = [(row["step"], row["target_miou"]) for row in rows if "target_miou" in row]
        if trial.state == "finished":
            steps, mious = zip(*points, strict=True)
            curves.append(asdict(Curve(values=trial.values, steps=steps, mious=mious)))
    sweep = folder.read("sweep.json")
    assert sweep is not None, f"{url} is no sweep folder"
    name = sweep["experiment"]["name"]
    _CURVES.write_text(json.dumps({"experiment": name, "trials": curves}, indent=1) + "\n")


def _plan(experiment: str, max_steps: int, grace: int, factor: int) -> Plan:
    return make_plan(
        SweepOptions(
            experiment=experiment,
            max_steps=max_steps,
            grace_steps=grace,
            evaluate_every=grace,
            reduction_factor=factor,
            seeds_for_best=0,
        )
    )


def compare(curves: list[Curve], plan: Plan, orders: int, concurrent: int) -> dict[str, Any]:
    """ASHA and random search against the whole search, over several orders of the trials."""
    smoothing = plan.metric.smoothing
    whole = everything(curves, smoothing)
    shares, regrets, regrets_at_random = [], [], []
    for seed in range(orders):
        order = random.Random(seed).sample(curves, len(curves))
        outcome = asha(order, plan, concurrent)
        shares.append(outcome.steps / whole.steps)
        regrets.append(whole.found - outcome.found)
        chance = at_random(order, smoothing, outcome.steps)
        regrets_at_random.append(whole.found - chance.found)
    return {
        "reduction_factor": plan.options.reduction_factor,
        "rungs": plan.rungs,
        "orders": orders,
        "share_of_steps": statistics.mean(shares),
        "regret": statistics.mean(regrets),
        "found": _share_within(regrets),
        "random_regret": statistics.mean(regrets_at_random),
        "random_found": _share_within(regrets_at_random),
    }


def _share_within(regrets: list[float]) -> float:
    return sum(regret <= _WITHIN for regret in regrets) / len(regrets)


def table(rows: list[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = [
        "| reduction factor | rungs | steps of the whole search | mIoU below its best "
        f"| within {_WITHIN} of it | random search: mIoU below | within {_WITHIN} |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        rungs = ", ".join(map(str, row["rungs"]))
        lines.append(
            f"| {row['reduction_factor']} | {rungs} | {row['share_of_steps']:.0%} "
            f"| {row['regret']:.2f} | {row['found']:.0%} "
            f"| {row['random_regret']:.2f} | {row['random_found']:.0%} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
