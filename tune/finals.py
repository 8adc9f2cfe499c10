"""What a sweep reports: source-only, published and best values, to the end, on several seeds.

Each is scored once on `data.held_out`, images that chose neither values nor checkpoint. Where no
label chose there need be none: then it is scored on the images that its run was evaluated on.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

import ray.tune
from ray.tune.search import Searcher

from advent_dist.config.baseline import is_adapted, shared_values
from advent_dist.config.override import override
from advent_dist.data.store import folder_url
from advent_dist.runs.folder import CONFIG_FILE, FINAL_FILE, RunFolder
from tune.folder import FINALS, SweepFolder, Trial
from tune.metric import Metric
from tune.observer import TrialObserver
from tune.plan import Plan
from tune.space import Values
from tune.trial import Sweep, message_of, require_sweep, score, train

Which = Literal["source_only", "published", "best"]


@dataclass(frozen=True, kw_only=True)
class Final:
    """One final training."""

    which: Which
    """What it shows."""

    seed: int
    """Its `run.seed`."""

    values: Values
    """Dotted config path -> value; for source-only those of the best ones that it has, too."""

    @property
    def path(self) -> str:
        """Its folder, relative to the sweep's."""
        return f"{FINALS}/{self.which}_seed{self.seed}"


def winner(trials: list[Trial], metric: Metric) -> Trial | None:
    """The trial with the best score at its end; one that was ended early only if all were.

    By the last score rather than the best one: a maximum over many evaluations is noise's friend.
    """
    finished = [trial for trial in trials if trial.state == "finished"]
    best: Trial | None = None
    for trial in finished or [trial for trial in trials if trial.state == "stopped"]:
        if trial.score is None:
            continue
        if best is None or metric.is_better(trial.score, best.score):
            best = trial
    return best


def finals_of(plan: Plan, best: Trial | None) -> list[Final]:
    """The trainings that are to be done; the published point once, also where it is the best.

    Source-only is on equal terms with the best ones. Where nothing is adapted it is the published
    point.
    """
    adapted = is_adapted(plan.experiment)
    shared = shared_values(plan.experiment, best.values) if adapted and best is not None else {}
    chosen: dict[Which, Values] = {"source_only": shared}
    if adapted and (best is None or not best.published):
        chosen["published"] = plan.space.point(plan.experiment)
    if best is not None:
        chosen["best"] = best.values
    first = plan.experiment.run.seed
    return [
        Final(which=which, seed=first + number, values=values)
        for number in range(plan.options.seeds_for_best)
        for which, values in chosen.items()
    ]


def run_final(config: dict[str, Any], sweep: Sweep) -> None:
    """Ray Tune's function for a final training: train, score, write final.json."""
    final = Final(**config["final"])
    folder = SweepFolder(sweep.plan.url, sweep.plan.experiment.data)
    record: dict[str, Any] = {**asdict(final), "state": "finished", "reason": None}
    record |= {"last": None, "best": None, "images": None}
    begun_at = time.monotonic()
    try:
        record |= _train(final, sweep)
    except Exception as error:  # whatever it is: one training's failure is not the sweep's
        require_sweep(sweep.board)
        record |= {"state": "failed", "reason": message_of(error)}
    record["seconds"] = round(time.monotonic() - begun_at, 1)
    folder.write(FINAL_FILE, record, final.path, indent=None)  # counts of every image
    ray.tune.report({"ended_at": time.time()})


def _train(final: Final, sweep: Sweep) -> dict[str, Any]:
    plan = sweep.plan.source_only() if final.which == "source_only" else sweep.plan
    experiment = override(plan.training(final.path, final.values), {"run.seed": final.seed})
    observer = TrialObserver(final.path, final.values, sweep.board, plan.metric, decides=False)
    train(experiment, sweep.classes, observer, final.path, plan.warm)
    run, data = RunFolder.of(experiment).url, experiment.data
    held_out = None if data.held_out is None else folder_url(data, data.held_out)
    return score(experiment, run, held_out)


def _is_done(final: Final, folder: SweepFolder) -> bool:
    """Whether that training is there; one of other values, since when another won, is deleted.

    One that failed is gone on with: nothing takes the place of a missing number in the report.
    """
    done = folder.read(FINAL_FILE, final.path)
    if done is None:
        run = RunFolder(folder.open(final.path))
        if run.folder.exists(CONFIG_FILE):
            begun = run.experiment()
            if override(begun, final.values) != begun:
                _replace(final, folder)
        return False
    if done["values"] == json.loads(json.dumps(final.values)):
        return bool(done["state"] == "finished")
    _replace(final, folder)
    return False


def _replace(final: Final, folder: SweepFolder) -> None:
    sys.stderr.write(f"-- {folder.url}/{final.path} is trained anew: other values have won since\n")
    folder.clear_training(final.path)


class FinalCandidates(Searcher):
    """Ray Tune's source of final trainings: those that are not done yet."""

    def __init__(self, finals: list[Final], folder: SweepFolder) -> None:
        super().__init__(metric="ended_at", mode="max")
        self._waiting = [one for one in finals if not _is_done(one, folder)]

    @property
    def num_trials(self) -> int:
        """How many are left."""
        return len(self._waiting)

    def suggest(self, trial_id: str) -> Any:
        """The next training's config for `run_final`."""
        if not self._waiting:
            return Searcher.FINISHED
        final = self._waiting.pop(0)
        return {"path": final.path, "name": final.path.replace("/", "_"), "final": asdict(final)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing to learn."""
