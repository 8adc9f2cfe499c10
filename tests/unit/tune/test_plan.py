"""Bad input is refused before any trial starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from advent_dist.config.override import override, to_json
from advent_dist.config.selection import DEFAULT
from advent_dist.errors import ConfigError
from advent_dist.experiments import experiment
from tests.detection_runs import tiny_box_run, write_boxed_shards
from tests.helpers import tiny_run, write_tiny_shards
from tests.shard_helpers import examples, write_shards
from tests.unit.tune.helpers import plan
from tune.options import Options
from tune.plan import Plan, decided, make_plan


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADVENT_DIST_EXPERIMENT", raising=False)
    monkeypatch.delenv("ADVENT_DIST_DATA", raising=False)
    monkeypatch.delenv("ADVENT_DIST_SET", raising=False)


def test_the_environment_names_experiment_and_data(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_plan(Options()).experiment.name == "streets_advent"
    monkeypatch.setenv("ADVENT_DIST_EXPERIMENT", "camvid_day_dusk_minent")
    monkeypatch.setenv("ADVENT_DIST_DATA", "s3://bucket/shards")
    chosen = make_plan(Options()).experiment
    assert chosen.name == "camvid_day_dusk_minent"
    assert chosen.data.root == "s3://bucket/shards"
    assert chosen.data.cache_dir is not None
    given = make_plan(Options(experiment="streets_minent", data="/here")).experiment
    assert (given.name, given.data.root) == ("streets_minent", "/here")


def test_the_environment_sets_what_the_cluster_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVENT_DIST_EXPERIMENT", "camvid_day_dusk_advent")
    monkeypatch.setenv(
        "ADVENT_DIST_SET",
        "run.storage=s3://bucket/runs cluster.gpus_per_worker=1 data.cache_dir=/mnt/cache",
    )
    plan = make_plan(Options(data="s3://bucket/shards", set=("cluster.gpus_per_worker=2",)))
    assert plan.url == "s3://bucket/runs/sweep-camvid_day_dusk_advent"
    assert plan.experiment.cluster.gpus_per_worker == 2
    assert plan.experiment.data.cache_dir == "/mnt/cache"
    elsewhere = make_plan(Options(data="s3://bucket/shards", storage="s3://other"))
    assert elsewhere.url.startswith("s3://other/")


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVENT_DIST_DATA", "s3://environment/shards")
    monkeypatch.setenv("ADVENT_DIST_SET", "cluster.max_failures=5")
    chosen = make_plan(Options()).experiment
    assert (chosen.data.root, chosen.cluster.max_failures) == ("s3://environment/shards", 5)
    given = make_plan(Options(set=("data.root=/set", "cluster.max_failures=7"))).experiment
    assert (given.data.root, given.cluster.max_failures) == ("/set", 7)
    flags = make_plan(Options(set=("data.root=/set",), data="/flag", max_failures=1)).experiment
    assert (flags.data.root, flags.cluster.max_failures) == ("/flag", 1)
    with pytest.raises(ConfigError, match=r"cluster.max_failures = -1: a trial's are limited"):
        make_plan(Options(set=("cluster.max_failures=-1",)))


def test_a_config_file_is_an_experiment(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(to_json(override(experiment("streets_minent"), {"run.seed": 7})))
    assert plan(tmp_path, experiment=str(file)).experiment.run.seed == 7
    with pytest.raises(ConfigError, match=r"nowhere.json: No such file"):
        plan(tmp_path, experiment="nowhere.json")
    with pytest.raises(ConfigError, match="did you mean"):
        plan(tmp_path, experiment="streets_advnt")


def test_optuna_needs_a_published_point_whose_ratios_exist(tmp_path: Path) -> None:
    weight = "method.lambda_adv"
    space = (f"{weight}=loguniform:1e-4:1e-1", f"{weight}_aux=ratio:{weight}:0.1:0.5")
    zero = (f"{weight}=0",)
    with pytest.raises(ConfigError, match=rf"{weight} = 0.0, and {weight}_aux is a ratio of it; g"):
        plan(tmp_path, space=space, set=zero, search="optuna")
    random = plan(tmp_path, space=space, set=zero, search="random")
    assert random.space.point(random.experiment)[weight] == 0


def test_the_learning_rates_horizon_stays(tmp_path: Path) -> None:
    """A short trial is the beginning of a long one, a sweep of short ones that of a long one."""
    own = experiment("streets_advent").optimizer.horizon
    assert plan(tmp_path, max_steps=200).experiment.optimizer.horizon == own
    with pytest.raises(ConfigError, match=rf"learning rate is 0 from optimizer.horizon = {own}"):
        plan(tmp_path, max_steps=own + 1)
    longer = plan(tmp_path, max_steps=own + 100, set=("optimizer.horizon=1000",))
    assert longer.max_steps == own + 100


@pytest.mark.parametrize(
    ("changes", "grace", "rungs", "every"),
    [
        ({}, 100, [100, 200], 50),
        ({"grace_steps": None}, 100, [100, 200], 50),
        ({"grace_steps": None, "reduction_factor": 3}, 50, [50, 150], 50),
        ({"grace_steps": 20, "reduction_factor": 4}, 20, [20, 80], 20),
        ({"grace_steps": 20, "evaluate_every": 10}, 20, [20, 40, 80, 160], 10),
        ({"grace_steps": None, "max_steps": 18, "reduction_factor": 3}, 2, [2, 6], 2),
        ({"scheduler": "none"}, 100, [], 50),
    ],
)
def test_rungs(
    changes: dict[str, Any], grace: int, rungs: list[int], every: int, tmp_path: Path
) -> None:
    made = plan(tmp_path, **changes)
    assert (made.grace_steps, made.rungs) == (grace, rungs)
    assert made.experiment.run.evaluate_every == every
    assert all(rung % every == 0 for rung in made.rungs)


def test_resources_are_those_of_a_whole_trial(tmp_path: Path) -> None:
    cluster = plan(
        tmp_path, workers_per_trial=4, cpus_per_trial=8, gpus_per_trial=8
    ).experiment.cluster
    assert (cluster.workers, cluster.cpus_per_worker, cluster.gpus_per_worker) == (4, 2.0, 2.0)
    own = experiment("streets_advent").cluster
    assert plan(tmp_path).experiment.cluster.workers == own.workers


def test_trials_on_gpus_have_processes_of_their_own(tmp_path: Path) -> None:
    assert plan(tmp_path).warm
    assert not plan(tmp_path, gpus_per_trial=2).warm
    assert not plan(tmp_path, set=("cluster.gpus_per_worker=auto",)).warm
    assert not plan(tmp_path, fresh_processes=True).warm


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grace_steps": 300}, "--grace-steps 300: give 1 to 299"),
        ({"grace_steps": 75, "evaluate_every": 50}, "does not divide --grace-steps 75"),
        ({"reduction_factor": 1}, "--reduction-factor 1"),
        ({"space": ("optimizer.lr=uniform:0:1",)}, "there is no config field 'optimizer.lr'"),
        ({"set": ("optimizer.lr=1",)}, "there is no config field 'optimizer.lr'"),
        ({"set": ("optimizer.power",)}, "give PATH=VALUE"),
        ({"set": ("optimizer.power=-1",)}, "optimizer.power = -1"),
        ({"metric": "miou"}, "did you mean target_miou"),
        ({"num_trials": 0}, "--num-trials 0"),
        ({"seeds_for_best": -1}, "--seeds-for-best -1"),
        ({"time_budget": "soon"}, "--time-budget soon: give a number"),
        ({"time_budget": "0h"}, "--time-budget 0h: give a number"),
        ({"resume": True, "overwrite": True}, "give one of the two"),
        ({"gpus_per_trial": 3}, "--gpus-per-trial 3: each of a trial's 2 workers needs whole GPUs"),
        ({"retry_failed": True}, "--retry-failed: .* with --resume; add it"),
        ({"grace_steps": 0}, "--grace-steps 0: give at least 1"),
        ({"evaluate_every": 0}, "--evaluate-every 0: give at least 1"),
        ({"price_per_hour": -3.0}, "--price-per-hour -3.0: give at least 0"),
        ({"name": ""}, "--name '': give the plain name"),
        ({"name": "../x"}, "--name '../x': give the plain name"),
        ({"mlflow": "https://user:secret@host"}, "--mlflow: credentials belong into"),
        ({"workers_per_trial": 0}, "cluster.workers|--workers-per-trial 0"),
        ({"storage": "s3://key:secret@host/bucket"}, "credentials belong into AWS_"),
        ({"storage": "https://host/b?X-Amz-Signature=secret@"}, r"host/b\?\*\*\*'"),
        ({"storage": "https://u:p@host?X-Amz-Signature=secret@"}, r"'\*\*\*@host'"),
    ],
)
def test_what_a_sweep_can_not_be(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        plan(tmp_path, **changes)
    assert "secret@" not in str(error.value)


def test_how_many_trials_there_are(tmp_path: Path) -> None:
    """As the record and the report have it, given or not."""
    assert plan(tmp_path).num_trials == 16
    assert plan(tmp_path, num_trials=5).num_trials == 5
    small = ("method.lambda_adv=choice:0.1:0.2",)
    assert plan(tmp_path, search="grid", space=small).num_trials == 3
    assert plan(tmp_path, search="grid", space=small, num_trials=2).num_trials == 2


def test_time_budgets(tmp_path: Path) -> None:
    budgets = {text: plan(tmp_path, time_budget=text).time_budget_s for text in ("90m", "1.5h")}
    assert budgets == {"90m": 5400, "1.5h": 5400}


def test_what_chooses_does_not_report(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data.held_out = 'streets/dusk/tune/': the images"):
        plan(tmp_path, set=("data.held_out=streets/dusk/tune/",))
    with pytest.raises(ConfigError, match="gta5_cityscapes_advent has no images to report on"):
        decided(
            plan(
                tmp_path,
                experiment="gta5_cityscapes_advent",
                grace_steps=None,
                seeds_for_best=3,
            )
        )
    plan(tmp_path, experiment="gta5_cityscapes_advent", grace_steps=None, seeds_for_best=0)


def test_source_only_keeps_everything_but_the_method(tmp_path: Path) -> None:
    made = plan(tmp_path, set=("method.lambda_seg_aux=0.3",))
    baseline = made.source_only().experiment
    assert baseline.method.name == "source_only"
    assert baseline.method.lambda_seg_aux == 0.3
    assert baseline.optimizer == made.experiment.optimizer


@pytest.mark.parametrize("name", ["streets_hrda", "streets_vfm_uda", "streets_mic"])
def test_source_only_does_without_what_the_method_alone_has(tmp_path: Path, name: str) -> None:
    baseline = plan(tmp_path, experiment=name, evaluate_every=None, grace_steps=None).source_only()
    assert baseline.experiment.method.name == "source_only"
    assert baseline.experiment.segmenter.detail_crop is None


def test_where_it_runs_does_not_make_it_another_sweep(tmp_path: Path) -> None:
    here, there = (
        plan(tmp_path, set=words, max_failures=number)
        for number, words in enumerate(
            (("data.cache_dir=/a", "cluster.address=auto"), ("data.cache_dir=/b",))
        )
    )
    assert here.identity() == there.identity()
    assert here.identity() != plan(tmp_path, set=("run.seed=7",)).identity()


def test_a_training_lies_in_the_sweep(tmp_path: Path) -> None:
    made = plan(tmp_path, name="mine")
    training = made.training("trials/00003", {"method.lambda_adv": 0.5})
    assert training.method.lambda_adv == 0.5  # type: ignore[union-attr]
    assert f"{training.run.storage}/{training.run.name}" == f"{tmp_path}/mine/trials/00003"


def _plan_on(tmp_path: Path, evaluation: str | None, **changes: Any) -> Plan:
    """A plan on shards of which those of `bare` have no labels."""
    root = str(tmp_path / "data")
    write_tiny_shards(root)
    write_shards(f"{root}/bare", examples(3, size=(64, 64)), labelled=False)
    run = tiny_run(root, str(tmp_path), data__evaluation=evaluation, cluster__workers=1)
    path = tmp_path / "experiment.json"
    path.write_text(to_json(run))
    given = {"experiment": str(path), "grace_steps": 2, "evaluate_every": 2}
    return decided(plan(tmp_path, **{**given, **changes}))


@pytest.mark.parametrize("evaluation", [None, "bare"])
def test_without_target_labels_a_criterion_decides(tmp_path: Path, evaluation: str | None) -> None:
    """Among trials and checkpoints alike; nothing need be held out, since no label is used up."""
    made = _plan_on(tmp_path, evaluation, seeds_for_best=2)
    assert made.metric.name == DEFAULT
    assert made.experiment.run.select_by == DEFAULT
    assert _plan_on(tmp_path, evaluation, metric="criterion/snd").metric.name == "criterion/snd"
    chosen = ("run.select_by=criterion/entropy",)
    assert _plan_on(tmp_path, evaluation, set=chosen).metric.name == "criterion/entropy"
    with pytest.raises(ConfigError, match="--metric = 'target_miou': it needs labelled target im"):
        _plan_on(tmp_path, evaluation, metric="target_miou")


def test_with_target_labels_they_decide_unless_a_criterion_is_asked_for(tmp_path: Path) -> None:
    assert _plan_on(tmp_path, "evaluation").metric.name == "target_miou"
    assert _plan_on(tmp_path, "evaluation", metric="criterion/snd").metric.name == "criterion/snd"


def test_a_sweep_of_a_detector(tmp_path: Path) -> None:
    root = str(tmp_path / "data")
    write_boxed_shards(root)
    run = tiny_box_run(root, str(tmp_path), cluster__workers=1, method__lambda_box=2.0)
    path = tmp_path / "experiment.json"
    path.write_text(to_json(run))
    given = {"experiment": str(path), "grace_steps": 2, "evaluate_every": 2}
    made = decided(plan(tmp_path, **given))
    assert made.metric.name == made.experiment.run.select_by == "target_map"
    assert "method.lambda_adv" in made.space.distributions
    baseline = made.source_only().experiment
    assert (baseline.method.name, baseline.method.lambda_box) == ("detector_source_only", 2.0)
    with pytest.raises(ConfigError, match=r"--metric target_miou: .* trains a detector, which has"):
        plan(tmp_path, **given, metric="target_miou")
