"""What the doctor makes of what it measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from advent_dist.config import ClusterConfig
from advent_dist.data.store import read_manifest
from cluster.doctor.clock import Offset, judge_clocks, measure_offset
from cluster.doctor.data import judge_shards, look_at_shards
from cluster.doctor.devices import Devices, Gpu, find_devices, judge_devices
from cluster.doctor.engines import judge_engine
from cluster.doctor.finding import HERE, Finding, failure, ok, passes, warning
from cluster.doctor.links import Transfer, fetch, judge_links, judge_reads, read_some, serve
from cluster.doctor.resources import Capacity, fit, judge_head, judge_resources
from cluster.doctor.space import Disk, Space, find_space, judge_space
from cluster.doctor.storage import look_at_storage, token_of, try_storage
from cluster.doctor.table import WIDTH, count, draw
from cluster.doctor.versions import installed_versions, judge_equal, judge_requirements
from tests.helpers import tiny_run, write_tiny_shards
from tests.shard_helpers import examples, write_shards

GB = 10**9
A100 = Gpu(name="A100", memory_bytes=40 * 2**30, capability=8)
V100 = Gpu(name="V100", memory_bytes=16 * 2**30, capability=7)


def levels(findings: Sequence[Finding]) -> list[str]:
    return [one.level for one in findings]


def test_installed_versions_satisfy_the_metadata() -> None:
    here = installed_versions()
    assert levels(judge_requirements(here)) == ["ok"]
    (found,) = judge_requirements({**here, "torch": "1.0", "s3fs": "none"})
    assert found.level == "failure"
    assert "torch 1.0 (needs >=" in found.said
    assert "s3fs none" in found.said


def test_nodes_have_the_same_versions() -> None:
    here = installed_versions()
    assert levels(judge_equal(here, {"a": here, "b": here})) == ["ok"]
    (found,) = judge_equal(here, {"a": here, "b": {**here, "ray": "2.0", "code": "other"}})
    assert (found.level, found.where) == ("failure", "b")
    assert f"ray is 2.0, here {here['ray']}" in found.said
    assert "code is other" in found.said


def test_devices_of_this_machine_are_found() -> None:
    import torch

    found = find_devices()
    assert (len(found.gpus), found.error) == (torch.cuda.device_count(), "")


def test_devices() -> None:
    run = tiny_run("data", "runs", engine__precision="bf16")
    a100, v100 = Devices(gpus=(A100,)), Devices(gpus=(V100,))
    assert levels(judge_devices({"a": a100}, {"a": 1}, None)) == ["ok"]
    (broken,) = judge_devices({"a": Devices(error="driver too old")}, {}, None)
    assert (broken.level, broken.said) == ("failure", "driver too old")
    (fewer,) = judge_devices({"a": a100}, {"a": 2}, None)
    assert "offers 2 GPUs, but PyTorch finds 1" in fewer.said
    assert levels(judge_devices({"a": a100}, {}, run)) == ["ok", "warning"]
    slow = judge_devices({"a": v100}, {}, tiny_run("data", "runs", engine__precision="fp32"))
    assert len(slow) < len(judge_devices({"a": v100}, {}, run))
    mixed = judge_devices({"a": a100, "b": v100}, {}, None)
    assert mixed[-1].said == "GPUs of several kinds: A100, V100"


def _space(free_gb: float = 50, shared_gb: float = 8, cache_gb: float | None = None) -> Space:
    return Space(
        temporary=Disk(folder="/tmp", free=int(free_gb * GB), size=100 * GB),
        shared=Disk(folder="/dev/shm", free=int(shared_gb * GB), size=8 * GB),
        cache=None
        if cache_gb is None
        else Disk(folder="/c", free=int(cache_gb * GB), size=80 * GB),
    )


def test_space() -> None:
    run = tiny_run("data", "runs", data__cache_gb=60.0)
    assert levels(judge_space({"a": _space()}, None)) == ["ok", "ok"]
    assert levels(judge_space({"a": _space(free_gb=4.9)}, None)) == ["failure", "ok"]
    small = _space(free_gb=50)
    tight = Space(temporary=Disk(folder="/tmp", free=4 * GB, size=30 * GB), shared=small.shared)
    assert levels(judge_space({"a": tight}, None)) == ["warning", "ok"]
    deep = Space(temporary=Disk(folder="/" + 90 * "a", free=50 * GB, size=100 * GB), shared=None)
    assert levels(judge_space({"a": deep}, None)) == ["failure"]
    docker = judge_space({"a": _space(shared_gb=0.07)}, None)[1]
    assert (docker.level, docker.check) == ("failure", "shared memory")
    assert "--shm-size" in docker.fix
    assert judge_space({"a": _space(cache_gb=70)}, run)[-1].level == "ok"
    assert judge_space({"a": _space(cache_gb=20)}, run)[-1].level == "warning"
    large = tiny_run("data", "runs", data__cache_gb=81.0)
    assert judge_space({"a": _space(cache_gb=80)}, large)[-1].level == "failure"


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
def test_where_ray_has_no_room_for_its_sockets_a_run_does_not_start(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the folder is not there, and Python takes another one."""
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    assert levels(judge_space({HERE: _space(free_gb=50)}, None)) == ["ok", "ok"]
    monkeypatch.setenv(name, "/" + 50 * "a")
    found = judge_space({HERE: _space(free_gb=50)}, None)[0]
    assert found.level == "failure"
    assert f"set {name} to" in found.fix


def test_room_for_a_cache_that_is_not_there_yet(tmp_path: Path) -> None:
    space = find_space(str(tmp_path / "not" / "yet"))
    assert space.cache is not None
    assert space.cache.size > 0
    assert not (tmp_path / "not").exists()


def test_clocks() -> None:
    import time

    offset = measure_offset(lambda: time.time() + 7)
    assert offset.seconds == pytest.approx(7, abs=0.1)
    assert levels(judge_clocks({"a": Offset(seconds=0.1, error_s=0.01)})) == ["ok"]
    assert levels(judge_clocks({"a": Offset(seconds=3, error_s=2.5)})) == ["ok"]
    assert levels(judge_clocks({"a": Offset(seconds=-3, error_s=0.01)})) == ["warning"]
    (found,) = judge_clocks({"a": Offset(seconds=-3600, error_s=0.01)})
    assert found.level == "failure"
    assert "3600.0 s behind" in found.said


def test_a_link_is_measured_and_judged() -> None:
    link = fetch("127.0.0.1", serve("127.0.0.1"))
    assert link.num_bytes > 0
    assert link.seconds > 0
    none = fetch("127.0.0.1", 1)
    assert "refused" in none.error
    slow = Transfer(num_bytes=10**6, seconds=1.0)
    fast = Transfer(num_bytes=10**9, seconds=1.0)
    links = {("a", "b"): fast, ("b", "c"): slow, ("c", "a"): none}
    assert levels(judge_links(links)) == ["ok", "warning", "failure"]


def test_reading_is_measured_and_judged(tmp_path: Path) -> None:
    from advent_dist.data.store import open_folder

    manifest = write_shards(str(tmp_path), examples(10))
    some = read_some(open_folder(str(tmp_path)), manifest)
    assert some.num_bytes == manifest.num_bytes
    slow = Transfer(num_bytes=10**8, seconds=100.0)
    assert levels(judge_reads({"a": some, "b": slow}, "s3://x")) == ["ok", "warning"]
    assert levels(judge_reads({"a": Transfer(error="gone")}, "s3://x")) == ["failure"]


@pytest.mark.parametrize(
    ("placement", "expected"),
    [("PACK", 5), ("SPREAD", 5), ("STRICT_PACK", 3), ("STRICT_SPREAD", 2)],
)
def test_how_many_workers_fit(placement: str, expected: int) -> None:
    nodes = [{"CPU": 12.0, "GPU": 3.0}, {"CPU": 8.0, "GPU": 4.0}, {"CPU": 64.0}]
    asked = ClusterConfig(cpus_per_worker=4, gpus_per_worker=1, placement=placement)  # type: ignore[arg-type]
    assert fit(nodes, asked) == expected


def test_resources() -> None:
    four, one = {"CPU": 4.0}, {"CPU": 1.0}
    capacity = Capacity(nodes=(four, four), free=(four, one), most=(four,) * 4)
    for workers, level in ((5, "ok"), (8, "warning"), (9, "ok"), (16, "ok"), (17, "failure")):
        run = tiny_run("data", "runs", cluster__workers=workers)
        (found,) = judge_resources(run, capacity, "cluster")
        assert (workers, found.level) == (workers, level)
    assert "--cluster.workers 16" in found.fix
    gpus = tiny_run("data", "runs", cluster__gpus_per_worker=1.0)
    (none,) = judge_resources(gpus, capacity, "cluster")
    assert "never room for more than 0" in none.said


def test_an_elastic_run_is_content_with_less() -> None:
    four = Capacity(nodes=({"CPU": 4.0},), free=({"CPU": 4.0},))
    for fewest, level in ((2, "ok"), (4, "ok"), (5, "failure")):
        run = tiny_run(
            "data", "runs", cluster__workers=8, cluster__min_workers=fewest, cluster__max_failures=3
        )
        (found,) = judge_resources(run, four, "cluster")
        assert (fewest, found.level) == (fewest, level)
    run = tiny_run(
        "data",
        "runs",
        run__global_batch_size=16,
        data__batch_size_per_rank=2,
        cluster__workers=8,
        cluster__min_workers=5,
        cluster__max_failures=3,
    )
    six = Capacity(nodes=({"CPU": 6.0},), free=({"CPU": 6.0},))
    (found,) = judge_resources(run, six, "cluster")
    assert found.level == "failure", "5 and 6 do not divide the batch"


def test_the_head_is_not_to_train() -> None:
    apart, with_it = ClusterConfig(), ClusterConfig(head_trains=True)
    elastic = ClusterConfig(workers=2, min_workers=1, max_failures=3)
    assert judge_head(apart, is_idle=True, num_nodes=3) == []
    assert judge_head(with_it, is_idle=False, num_nodes=1) == []
    assert levels(judge_head(with_it, is_idle=False, num_nodes=3)) == ["warning"]
    assert judge_head(elastic, is_idle=False, num_nodes=3) == []
    assert levels(judge_head(elastic, is_idle=True, num_nodes=3)) == ["failure"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["ok"]),
        ({"engine.zero_stage": 3, "cluster.workers": 1}, ["warning"]),
        ({"engine.discriminator_zero_stage": 1}, ["warning"]),
        ({"engine.kind": "local"}, ["warning"]),
        ({"engine.precision": "bf16"}, ["warning"]),
    ],
)
def test_engines(changes: dict[str, object], expected: list[str]) -> None:
    run = tiny_run("data", "runs", **{name.replace(".", "__"): v for name, v in changes.items()})
    assert levels(judge_engine(run)) == expected


def test_shards(tmp_path: Path) -> None:
    root = str(tmp_path / "data")
    write_tiny_shards(root)
    findings = look_at_shards(tiny_run(root, "runs"))
    assert levels(findings) == ["ok", "ok", "ok"]
    assert findings[0].said.startswith("data.evaluation, labelled: the best checkpoint is chosen")
    assert levels(look_at_shards(tiny_run(root, "runs", cluster__workers=11))) == ["failure"]
    nowhere = look_at_shards(tiny_run(str(tmp_path / "nowhere"), "runs"))
    assert levels(nowhere) == ["failure"]
    assert "shards build" in nowhere[0].fix
    run = tiny_run(root, "runs", data__workers_per_rank=3)
    manifest = write_shards(str(tmp_path / "few"), examples(12), per_block=4)
    found = judge_shards(run, "source", "few", manifest)
    assert found.level == "warning"
    assert "12 samples in 4 blocks for 6 readers" in found.said
    batches = tiny_run(root, "runs", data__batch_size_per_rank=7)
    assert "less than a global batch" in judge_shards(batches, "source", "few", manifest).said


def test_labels_that_lack_classes(tmp_path: Path) -> None:
    write_tiny_shards(str(tmp_path))
    road, void = (
        [sample._replace(label=sample.label * 0 + value) for sample in examples(10, size=(64, 64))]
        for value in (3, 255)
    )
    write_shards(str(tmp_path / "source"), road)
    *judged, lacking = look_at_shards(tiny_run(str(tmp_path), "runs"))
    assert levels(judged) == ["ok", "ok", "ok"]
    assert lacking.level == "warning"
    assert "no labelled pixel in 10 of the 11 classes: sky, building, pole" in lacking.said
    write_shards(str(tmp_path / "source"), void)
    (found,) = look_at_shards(tiny_run(str(tmp_path), "runs"))
    assert found.level == "failure"
    assert "none of its labels has a labelled pixel" in found.said


def test_street_scenes_may_be_missing(tmp_path: Path) -> None:
    run = tiny_run(str(tmp_path), "runs", data__source="streets/clean/train")
    (found,) = look_at_shards(run)
    assert (found.level, found.fix) == ("warning", "train draws them at its start")


def test_storage_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    token = token_of(tiny_run("data", str(storage)))
    shared = look_at_storage(token, lambda: {"a": try_storage(token, "a")})
    assert [(one.where, one.level) for one in shared] == [("here", "ok"), ("a", "ok")]
    assert not storage.exists()


def test_storage_of_one_host_only(tmp_path: Path) -> None:
    here, there = (token_of(tiny_run("data", str(tmp_path / name))) for name in ("here", "there"))
    found = look_at_storage(here, lambda: {"a": try_storage(there, "a")})
    assert levels(found) == ["ok", "failure"]
    assert "no such file" in found[1].said
    assert "--run.storage s3://" in found[1].fix


def test_storage_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = look_at_storage(token_of(tiny_run("data", str(tmp_path / "file"))))
    assert levels(found) == ["failure"]


def test_the_table_fits() -> None:
    long = "a sentence that goes on and on " * 8
    findings = [ok("a", "s3://" + "x" * 90, long), warning("b", "y", long, long)]
    findings.append(failure("c", "z", "short", long))
    console = Console(width=WIDTH, record=True)
    console.print(draw(findings))
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert "x" * 20 in shown
    assert count(findings) == "1 failures, 1 warnings, 1 ok"
    assert not passes(findings)
    assert passes(findings[:2])


def test_what_chooses_the_best_checkpoint(tmp_path: Path) -> None:
    write_tiny_shards(str(tmp_path))
    write_shards(f"{tmp_path}/bare", examples(4, size=(64, 64)), labelled=False)
    few = read_manifest(f"{tmp_path}/target").num_samples
    for evaluation, images in (("bare", "data.evaluation, unlabelled"), (None, f"{few} images of")):
        run = tiny_run(str(tmp_path), "runs", data__evaluation=evaluation)
        choice, *_ = look_at_shards(run)
        assert choice.said.startswith(images)
        assert choice.said.endswith("(no target label was used)")
        asked = tiny_run(
            str(tmp_path), "runs", data__evaluation=evaluation, run__select_by="target_miou"
        )
        (finding,) = look_at_shards(asked)
        assert finding.level == "failure"
        assert "run.select_by = 'target_miou': it needs labelled target images" in finding.said


def test_a_look_at_storage_that_is_not_there_yet_leaves_nothing(tmp_path: Path) -> None:
    token = token_of(tiny_run("data", str(tmp_path / "not" / "yet" / "there")))
    assert levels(look_at_storage(token)) == ["ok"]
    assert not list(tmp_path.iterdir())
