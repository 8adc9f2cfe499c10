"""Does ASHA find what the whole search finds, for less?

    python benchmarks/asha.py [--quick] [--json FILE]  # the curves kept in benchmarks/results
    python benchmarks/asha.py --sweep runs/NAME        # keeps its own first, of a sweep made by
    python tune/search.py --scheduler none --seeds-for-best 0 --storage runs --name NAME ...

Every trial of a sweep was trained to the end or until it collapsed, once. The sweep's own scheduler
is then replayed over their curves in many orders and at many paces. Random search gets the steps
that ASHA took.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro
from record import keep
from replay import Curve, asha, at_random, everything

from advent_dist.runs.folder import RunFolder
from tune.folder import SweepFolder
from tune.options import Options as SweepOptions
from tune.plan import Plan, make_plan

QUESTION = "Does ASHA find what the whole search finds, for less?"
_RESULTS = Path(__file__).parent / "results"
_CURVES = _RESULTS / "asha_curves"
"""One file for each experiment."""

_WITHIN = 0.5
"""Points of mIoU from the best that count as found."""

_SLOWEST = 1.5
"""Time of a step in the slowest trial over that in the fastest: hosts and neighbours differ."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Replay ASHA over recorded trials, in many orders."""

    sweep: str | None = None
    """Sweep folder whose trials were trained to the end; none takes the kept curves."""

    orders: int = 500
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
    orders = 5 if options.quick else options.orders
    rows = []
    for file in sorted(_CURVES.glob("*.json")):
        rows += replay(file, orders, options.concurrent)
    out = options.json or (None if options.quick else _RESULTS / "asha.json")
    ratios = {
        f"steps / whole search, {row['experiment']}, factor {row['reduction_factor']}, grace "
        f"{row['rungs'][0]}": row["share_of_steps"]
        for row in rows
    }
    keep(out, question=QUESTION, ratios=ratios, rows=rows)


def replay(file: Path, orders: int, concurrent: int) -> list[dict[str, Any]]:
    """Replay one experiment's trials under several plans, and print the table."""
    recorded = json.loads(file.read_text())
    curves = [Curve(**trial) for trial in recorded["trials"]]
    steps = max((curve.steps for curve in curves), key=len)
    made = plans(recorded["experiment"], steps)
    rows = [{"experiment": file.stem, **compare(curves, plan, orders, concurrent)} for plan in made]
    sys.stdout.write(
        f"{file.stem}: {len(curves)} trials of {steps[-1]} steps, {concurrent} at a time, "
        f"{orders} orders; the best ends at {everything(curves).found:.1f}\n\n{table(rows)}\n"
    )
    return rows


def record(url: str) -> None:
    """Keep the curves of a sweep's trials; those that are still running are left out.

    Raises:
        SystemExit: a trial was ended early without having collapsed, so that the best of the whole
            search is not known.
    """
    folder = SweepFolder(url)
    sweep, trials = folder.read("sweep.json"), [one for one in folder.trials() if one.has_ended]
    if sweep is None or any(trial.state not in ("finished", "collapsed") for trial in trials):
        sys.exit(f"{url}: give a sweep with --scheduler none, none of whose trials failed")
    curves = []
    for trial in trials:
        rows = [row for row in RunFolder.open(f"{url}/{trial.path}").rows() if "score" in row]
        names = {"steps": "step", "mious": "target_miou", "scores": "score"}
        columns = {ours: tuple(row[name] for row in rows) for ours, name in names.items()}
        curve = Curve(values=trial.values, collapsed=trial.state == "collapsed", **columns)
        curves.append(asdict(curve))
    lines = ",\n  ".join(json.dumps(curve) for curve in curves)
    head = json.dumps({"experiment": sweep["experiment"]["name"], "seed": sweep["seed"]})
    file = _CURVES / f"{sweep['experiment']['name']}.json"
    file.write_text(f'{head[:-1]}, "trials": [\n  {lines}\n]}}\n')


def plans(experiment: str, steps: Sequence[int]) -> list[Plan]:
    """Several reduction factors with the first rung at the first evaluation, default, half-way."""
    made = []
    for factor in (2, 3, 4):
        default = _plan(experiment, steps, factor, None)
        graces = {steps[0], default.grace_steps, steps[len(steps) // 2 - 1]}
        made += [_plan(experiment, steps, factor, grace) for grace in sorted(graces)]
    return made


def _plan(experiment: str, steps: Sequence[int], factor: int, grace: int | None) -> Plan:
    return make_plan(
        SweepOptions(
            experiment=experiment,
            set=(f"optimizer.horizon={steps[-1]}",),
            max_steps=steps[-1],
            grace_steps=grace,
            evaluate_every=steps[0],
            reduction_factor=factor,
            seeds_for_best=0,
        )
    )


def compare(curves: list[Curve], plan: Plan, orders: int, concurrent: int) -> dict[str, Any]:
    """ASHA and random search against the whole search, over several orders of the trials."""
    whole = everything(curves)
    shares, regrets, regrets_at_random = [], [], []
    for seed in range(orders):
        chance = random.Random(seed)
        order = chance.sample(curves, len(curves))
        paces = [chance.uniform(1, _SLOWEST) for _ in order]
        outcome = asha(order, plan, paces, concurrent)
        shares.append(outcome.steps / whole.steps)
        regrets.append(whole.found - outcome.found)
        regrets_at_random.append(whole.found - at_random(order, outcome.steps).found)
    return {
        "reduction_factor": plan.options.reduction_factor,
        "rungs": plan.rungs,
        "concurrent": concurrent,
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
            f"| {row['reduction_factor']} | {rungs} | {row['share_of_steps']:.1%} "
            f"| {row['regret']:.2f} | {row['found']:.0%} "
            f"| {row['random_regret']:.2f} | {row['random_found']:.0%} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
