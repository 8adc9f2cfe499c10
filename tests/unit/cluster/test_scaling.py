"""How many workers an elastic run takes, of those that there is room for."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.scaling_policy import ScalingPolicy
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from advent_dist.config import Experiment
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.errors import ConfigError
from advent_dist.runs.folder import RunFolder
from cluster import capacity as capacities
from cluster import launch as launching
from cluster import scaling
from cluster.scaling import NothingToAskFor, WholeBatches, scaling_config
from tests.helpers import tiny_run


def _elastic(storage: str = "runs") -> Experiment:
    return tiny_run(
        "data",
        storage,
        data__batch_size_per_rank=1,
        run__global_batch_size=8,
        cluster__workers=8,
        cluster__min_workers=2,
        cluster__max_failures=3,
    )


def _up(monkeypatch: pytest.MonkeyPatch, room: int, leaving: tuple[str, ...] = ()) -> None:
    """So many nodes, 0 and up."""
    nodes = [{"Alive": True, "NodeID": str(n), "Resources": {"CPU": 1.0}} for n in range(room)]
    gone = {"Alive": False, "NodeID": "gone", "Resources": {"CPU": 1.0}}
    monkeypatch.setattr(ray, "nodes", lambda: [*nodes, gone])
    deadlines = dict.fromkeys(leaving, 0)
    monkeypatch.setattr(capacities.ray_state, "get_draining_nodes", lambda: deadlines)


def _policy() -> WholeBatches:
    experiment = _elastic()
    return WholeBatches(scaling_config(experiment, None), experiment)


@pytest.mark.parametrize(("room", "expected"), [(1, 0), (2, 2), (3, 2), (7, 4), (8, 8), (20, 8)])
def test_only_numbers_that_divide_the_global_batch(
    room: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _up(monkeypatch, room)
    nodes = {str(number): {"CPU": 1.0} for number in range(room)}
    assert _policy()._count_possible_workers(nodes) == expected


def test_nodes_that_are_gone_or_about_to_go_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's reservation is up to 20 s old."""
    _up(monkeypatch, 4, leaving=("3",))
    reserved = {name: {"CPU": 1.0} for name in ("0", "1", "2", "3", "gone")}
    assert _policy()._count_possible_workers(reserved) == 2
    _up(monkeypatch, 4)
    assert _policy()._count_possible_workers(reserved) == 4


@pytest.mark.parametrize(
    ("leaving", "reserved", "expected"),
    [((), 2, 2), (("3",), 4, None), (("7",), 8, None), ((), 4, None)],
)
def test_a_run_does_not_shrink_before_its_checkpoint(
    leaving: tuple[str, ...], reserved: int, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of four workers: one of its nodes is called back, or one is that it would grow on."""
    _up(monkeypatch, 8, leaving)
    policy = _policy()
    nodes = {str(number): {"CPU": 1.0} for number in range(reserved)}
    monkeypatch.setattr(policy, "_maybe_send_resource_request", lambda: None)
    monkeypatch.setattr(policy, "_get_reserved_resources", lambda: nodes)
    running = SimpleNamespace(start_time=float("-inf"), num_workers=4)
    decision = policy.make_decision_for_running_worker_group(running, None)  # type: ignore[arg-type]
    assert getattr(decision, "num_workers", None) == expected


class _Wish:
    """Of a checkpoint that is there when it is asked for the second time."""

    def __init__(self, group: object) -> None:
        self._answers = iter([False, True])

    def is_fulfilled(self) -> bool:
        return next(self._answers)


@pytest.mark.parametrize(("room_then", "expected"), [(8, 8), (5, None)])
def test_a_run_does_not_grow_before_its_checkpoint(
    room_then: int, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of four workers, with room for eight: it is there after the checkpoint, or gone."""
    _up(monkeypatch, 8)
    monkeypatch.setattr(scaling, "Wish", _Wish)
    policy = _policy()
    nodes = {str(number): {"CPU": 1.0} for number in range(8)}
    monkeypatch.setattr(policy, "_maybe_send_resource_request", lambda: None)
    monkeypatch.setattr(policy, "_get_reserved_resources", lambda: nodes)
    running = SimpleNamespace(start_time=float("-inf"), num_workers=4)

    def decide() -> int | None:
        decision = policy.make_decision_for_running_worker_group(running, None)  # type: ignore[arg-type]
        return getattr(decision, "num_workers", None)

    assert [decide(), decide()] == [None, None]
    _up(monkeypatch, room_then)
    assert decide() == expected


def test_ray_train_is_given_the_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray has no public way to do so: this fails when a new version has moved it."""
    given: list[object] = []

    def run(trainer: object, **options: object) -> None:
        given.append(options["scaling_policy"])

    monkeypatch.setattr(DataParallelTrainer, "_initialize_and_run_controller", run)
    for experiment in (_elastic(str(tmp_path)), tiny_run("data", str(tmp_path))):
        trainer = launching.build_trainer(  # type: ignore[arg-type]
            experiment, CAMVID_11, RunFolder.of(experiment), observer=None
        )
        # Not `fit`, which would start a Ray for all tests that follow.
        trainer._initialize_and_run_controller(scaling_policy="of Ray")
    assert type(given[0]) is WholeBatches
    assert given[1] == "of Ray"
    monkeypatch.setattr(scaling, "ends_with_us", lambda: True)
    trainer._initialize_and_run_controller(scaling_policy="of Ray")
    assert type(given[2]) is NothingToAskFor
    assert "scaling_policy=" in inspect.getsource(DataParallelTrainer.fit)
    assert not ray.is_initialized()


def test_nobody_is_asked_for_room_that_is_there() -> None:
    """All by which Ray Train's policy speaks to an actor, which would be started for it."""
    ours = set(vars(NothingToAskFor))
    theirs = inspect.getmembers(ScalingPolicy, inspect.isfunction)
    asking = {
        name for name, method in theirs if "_coordinator_client." in inspect.getsource(method)
    }
    assert asking == {name for name in ours if name.endswith("_resource_request")}


def test_no_actor_is_started_that_has_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all that Ray Train adds by itself, by a method that has no public name."""
    trainer = launching.build_trainer(
        _elastic(str(tmp_path)),
        CAMVID_11,
        tmp_path,
        observer=None,  # type: ignore[arg-type]
    )

    def left_out() -> set[type]:
        theirs = {type(one) for one in DataParallelTrainer._create_default_callbacks(trainer)}
        return theirs - {type(one) for one in trainer._create_default_callbacks()}

    assert left_out() == {DatasetsCallback}
    monkeypatch.setattr(scaling, "ends_with_us", lambda: True)
    assert left_out() == {DatasetsCallback, PlacementGroupCleanerCallback}
    assert "self._create_default_callbacks()" in inspect.getsource(DataParallelTrainer.fit)


def _nodes(monkeypatch: pytest.MonkeyPatch, head_cpus: float, others: int) -> None:
    head = {"Alive": True, "NodeID": "head", "Resources": {capacities.HEAD: 1.0, "CPU": head_cpus}}
    other = {"Alive": True, "NodeID": "other", "Resources": {"CPU": 2.0}}
    gone = {"Alive": False, "NodeID": "gone", "Resources": {"CPU": 2.0}}
    monkeypatch.setattr(ray, "nodes", lambda: [head, gone, *[other] * others])


def test_the_head_trains_only_alone_or_where_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = _elastic().cluster
    _nodes(monkeypatch, head_cpus=2.0, others=0)
    assert capacities.idle_head(cluster) is None
    _nodes(monkeypatch, head_cpus=2.0, others=1)
    assert capacities.idle_head(cluster) == "head"
    selector = scaling_config(_elastic(), "head").label_selector
    assert selector == {"ray.io/node-id": "!head"}
    _nodes(monkeypatch, head_cpus=0.0, others=1)
    assert capacities.idle_head(cluster) is None


def test_an_elastic_run_needs_a_head_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    _nodes(monkeypatch, head_cpus=2.0, others=1)
    with pytest.raises(ConfigError, match=r"cluster.min_workers: the head has room"):
        launching.check_resources(_elastic())


def test_kuberay_may_add_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    _nodes(monkeypatch, head_cpus=0.0, others=0)
    monkeypatch.setattr(capacities.ray_state, "available_resources_per_node", dict)
    run = tiny_run("data", "runs")
    with pytest.raises(ConfigError, match="never has room for more than 0"):
        launching.check_resources(run)
    monkeypatch.setenv("RAY_CLUSTER_NAME", "advent-dist")
    launching.check_resources(run)


@pytest.mark.parametrize(
    ("placement", "workers", "expected"),
    [
        ("PACK", 2, 5),
        ("STRICT_PACK", 2, 5),
        ("STRICT_PACK", 3, 3),
        ("STRICT_SPREAD", 2, 2),
        ("STRICT_SPREAD", 3, 0),
    ],
)
def test_how_many_runs_fit(placement: str, workers: int, expected: int) -> None:
    changes = {"cluster__workers": workers, "cluster__placement": placement}
    cluster = tiny_run("data", "runs", **changes).cluster
    assert capacities.fit_runs([{"CPU": 9.0}, {"CPU": 2.0}], cluster) == expected
