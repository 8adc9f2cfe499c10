"""Whether the best values help: their retrainings against source-only, over images and seeds."""

from __future__ import annotations

from advent_dist.config import Experiment
from advent_dist.config.baseline import is_adapted, shared_values
from advent_dist.config.selection import TARGET_MAP
from advent_dist.errors import ConfigError, DataError
from advent_dist.evaluation.overlap import Overlaps
from advent_dist.evaluation.paired import Comparison, compare
from advent_dist.evaluation.verdict import verdict
from advent_dist.report.record import built_in_classes
from tune.report.configurations import configurations, experiment_of
from tune.report.record import Sweep, Which

NO_VERDICT = (
    "Detectors have no verdict: what an image adds to average precision is not known by itself. "
    "The spread over the seeds is what there is."
)


def comparison_of(sweep: Sweep) -> Comparison | None:
    """The best values against source-only by the seeds that both were retrained with; or none.

    Raises:
        DataError: the retrainings were scored on other images, or of fewer than two.
    """
    best, plain = _by_seed(sweep, "best"), _by_seed(sweep, "source_only")
    classes = sweep.classes or built_in_classes(sweep.experiment)
    seeds = [seed for seed in best if seed in plain]
    if classes is None or not seeds:
        return None
    return compare([best[seed] for seed in seeds], [plain[seed] for seed in seeds], classes.names)


def verdict_of(sweep: Sweep) -> list[str]:
    """Its paragraph in words; why there is none, where counts or the config do not fit."""
    if sweep.accuracy.target == TARGET_MAP:
        return [NO_VERDICT] if sweep.finals else []
    try:
        found = comparison_of(sweep)
        if found is None:
            return []
        experiment = experiment_of(sweep)
        others = _searched_for_one(sweep, experiment)
    except (ConfigError, DataError) as error:
        return [f"There is no verdict on whether adaptation helps: {error}."]
    titles = configurations(sweep)
    words = verdict(
        found,
        titles["best"],
        titles["source_only"],
        adaptation=is_adapted(experiment),
        others=others,
    )
    return [f"{words} On {sweep.reported_on}, {titles['best']} against {titles['source_only']}."]


def _searched_for_one(sweep: Sweep, experiment: Experiment) -> list[str]:
    """Values that source-only could have had, too; sweeps of old gave it none."""
    best = next((final.values for final in sweep.finals if final.which == "best"), {})
    plain = next((final.values for final in sweep.finals if final.which == "source_only"), {})
    shared, point = (shared_values(experiment, values) for values in (best, sweep.published))
    return [path for path, value in shared.items() if plain.get(path, point.get(path)) != value]


def _by_seed(sweep: Sweep, which: Which) -> dict[int, Overlaps]:
    return {
        final.seed: final.images
        for final in sweep.finals
        if final.which == which and final.state == "finished" and final.images is not None
    }
