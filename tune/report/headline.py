"""The top of the page: the best configuration, and where the sweep stands."""

from __future__ import annotations

from collections import Counter

from advent_dist.experiments.command import train_command
from advent_dist.report.page import Section
from advent_dist.report.tables import difference, number
from tune.folder import EXPERIMENT_FILE
from tune.report.budget import budget_of
from tune.report.choice import best_trial, measure_of, score_label, without_labels
from tune.report.configurations import configurations
from tune.report.judgement import verdict_of
from tune.report.record import Sweep
from tune.report.seeds import evaluations_of, over_seeds


def headline(sweep: Sweep) -> Section:
    """The best configuration as a command to copy."""
    best = best_trial(sweep)
    if best is None:
        return Section(title="Best configuration", notes=["No trial has been evaluated yet."])
    point = best.values | {"run.steps": sweep.max_steps}
    config = f"{sweep.url}/{EXPERIMENT_FILE}"
    command = train_command(sweep.experiment, point, sweep.given, config)
    where = f"Trial {best.id}{', the published point' if best.published else ''}"
    scored = "" if best.score is None else f": {score_label(sweep)} = {best.score:.4g}"
    return Section(
        title="Best configuration",
        command=command,
        figures=_figures(sweep),
        notes=[
            *verdict_of(sweep),
            f"{where}{scored} after {best.steps} steps, on {sweep.tune_folder}.",
        ],
    )


def in_short(sweep: Sweep) -> list[str]:
    """Sentences on what was searched and how far it is."""
    states = Counter(trial.state for trial in sweep.trials)
    counted = ", ".join(f"{number} {state}" for state, number in states.items())
    how = f"{sweep.search} search"
    if sweep.scheduler != "none":
        rungs = " and ".join(map(str, sweep.rungs))
        how += f" with {sweep.scheduler.upper()}, which decides at steps {rungs}"
    notes = [
        f"{sweep.experiment.get('name')}: {how}, up to {sweep.max_steps} steps a trial, by "
        f"{score_label(sweep)}. {len(sweep.trials)} of {sweep.num_trials} trials"
        f"{f': {counted}' if counted else ''}.{without_labels(sweep)}"
    ]
    if sweep.status != "finished":
        again = f" Once it is not running, go on with: {sweep.resume_command}"
        notes.append(
            f"The sweep is {sweep.status}; this page shows what there is so far."
            f"{again if sweep.resume_command else ''}"
        )
    return notes


def _figures(sweep: Sweep) -> list[tuple[str, str]]:
    """The retrained result, and what it took."""
    titles = configurations(sweep)
    found = {which: over_seeds(evaluations_of(sweep.finals, which, "last")) for which in titles}
    mean, spread = found["best"]
    figures = []
    measure = measure_of(sweep)
    if mean.get(measure.number) is not None:
        value = number(mean[measure.number], measure.decimals, spread.get(measure.number)).text
        figures.append((value, f"{measure.short} on {sweep.reported_on}, retrained"))
        # Of two models the more certain one need not be better: only labels tell.
        for which in (one for one in titles if one != "best" and sweep.scored_by_labels):
            change = difference(mean[measure.number], found[which][0].get(measure.number)).text
            figures.append((change, f"against {titles[which]}"))
    share = budget_of(sweep).share
    if share is not None:
        figures.append((f"{share:.0%}", "of the steps of running all trials to the end"))
    return figures
