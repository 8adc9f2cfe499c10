"""The loaders with boxes: whose they are, resuming, worker processes, damage and refusals."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from advent_dist.config import AugmentConfig, DataConfig
from advent_dist.data.box_arrays import box_arrays
from advent_dist.data.evaluation_loader import EvaluationLoader, target_images
from advent_dist.data.loader import TrainingLoader
from advent_dist.data.traffic import SKIPPED
from advent_dist.errors import ConfigError, DataError
from advent_dist.types import BoxBatch, Boxes, BoxEvaluationBatch
from tests.shard_helpers import (
    Example,
    boxed_examples,
    checksums,
    data_config,
    examples,
    write_shards,
)

NUM_SOURCE, NUM_TARGET = 14, 9
BUSY = AugmentConfig(
    scale=(0.8, 1.5), crop=(16, 12), flip=0.5, jitter=0.3, zoom_out=0.5, iou_crop=True
)


def boxed_config(root: object, **changes: Any) -> DataConfig:
    return data_config(root, labels="boxes", classes="cityscapes_boxes8", **changes)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shards")
    write_shards(f"{root}/source", boxed_examples(NUM_SOURCE, prefix="a"))
    write_shards(f"{root}/target", examples(NUM_TARGET, prefix="b"), labelled=False)
    write_shards(f"{root}/evaluation", boxed_examples(11, prefix="c"))
    return root


def open_training(data: DataConfig, **changes: Any) -> TrainingLoader[BoxBatch]:
    return TrainingLoader(data, **{"rank": 0, "world_size": 1, "seed": 0, **changes})


def take(loader: TrainingLoader[BoxBatch], count: int) -> list[BoxBatch]:
    return [next(loader) for _ in range(count)]


def as_bytes(boxes: Boxes) -> tuple[bytes, ...]:
    return tuple(one.numpy().tobytes() for one in (boxes.xyxy, boxes.label, boxes.ignore))


def same(one: BoxBatch, other: BoxBatch) -> bool:
    return (
        (one.source_keys, one.target_keys) == (other.source_keys, other.target_keys)
        and torch.equal(one.source_image, other.source_image)
        and torch.equal(one.target_image, other.target_image)
        and list(map(as_bytes, one.source_boxes)) == list(map(as_bytes, other.source_boxes))
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_holds_the_written_boxes(root, workers):
    written = {sample.key: sample for sample in boxed_examples(NUM_SOURCE, prefix="a")}
    loader = open_training(boxed_config(root, workers_per_rank=workers))
    for batch in take(loader, 8):
        assert isinstance(batch, BoxBatch)
        assert batch.source_image.shape == batch.target_image.shape == (2, 3, 16, 24)
        assert len(batch.source_boxes) == 2
        for key, image, boxes in zip(
            batch.source_keys, batch.source_image, batch.source_boxes, strict=True
        ):
            expected = written[key].boxes
            assert expected is not None
            assert (image.permute(1, 2, 0).numpy() == written[key].image).all()
            assert as_bytes(boxes) == as_bytes(expected.tensors())
            assert (boxes.xyxy.dtype, boxes.label.dtype) == (torch.float32, torch.int64)
    loader.close()


@pytest.mark.parametrize(("world_size", "workers"), [(1, 0), (2, 0), (2, 1)])
def test_all_ranks_together_see_each_sample_once_an_epoch(root, world_size, workers):
    data = boxed_config(root, batch_size_per_rank=1, workers_per_rank=workers)
    loaders = [open_training(data, rank=rank, world_size=world_size) for rank in range(world_size)]
    batches = [b for loader in loaders for b in take(loader, NUM_SOURCE // world_size)]
    for loader in loaders:
        loader.close()
    assert Counter(key for batch in batches for key in batch.source_keys) == dict.fromkeys(
        (f"a{number:04d}" for number in range(NUM_SOURCE)), 1
    )


def test_worker_processes_yield_what_this_process_would(root):
    here = open_training(boxed_config(root, augment=BUSY), seed=4)
    forked = open_training(boxed_config(root, augment=BUSY, workers_per_rank=1), seed=4)
    assert all(map(same, take(here, 12), take(forked, 12)))
    forked.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_is_bit_identical(root, workers):
    data = boxed_config(root, augment=BUSY, workers_per_rank=workers)
    loader = open_training(data, world_size=2, seed=9)
    take(loader, 4)
    state = json.loads(json.dumps(loader.state()))
    expected = take(loader, 9)
    loader.close()
    resumed = open_training(data, world_size=2, seed=9, state=state)
    assert all(map(same, take(resumed, 9), expected))
    assert resumed.state() == loader.state()
    resumed.close()


def test_images_of_any_size_go_one_by_one(root):
    augment = AugmentConfig(scale=(0.5, 2.0))
    loader = open_training(boxed_config(root, augment=augment, batch_size_per_rank=1))
    batches = take(loader, 20)
    assert len({batch.source_image.shape for batch in batches}) > 3
    for batch in batches:
        (boxes,), (height, width) = batch.source_boxes, batch.source_image.shape[2:]
        assert (boxes.xyxy[:, 2:] <= torch.tensor([width, height])).all()


def test_the_global_random_state_is_left_alone(root):
    before = torch.get_rng_state()
    take(open_training(boxed_config(root, augment=BUSY)), 3)
    assert torch.equal(torch.get_rng_state(), before)


def evaluation(
    data: DataConfig, folder: str = "evaluation", rank: int = 0, ranks: int = 1, **changes: Any
) -> EvaluationLoader[BoxEvaluationBatch]:
    return EvaluationLoader(data, folder, rank=rank, world_size=ranks, **changes)


@pytest.mark.parametrize(("ranks", "workers", "batch_size"), [(1, 0, 4), (2, 0, 3), (2, 2, 2)])
def test_evaluation_sees_each_sample_once_with_its_own_boxes(root, ranks, workers, batch_size):
    data = boxed_config(
        root,
        workers_per_rank=workers,
        evaluation_batch_size_per_rank=batch_size,
        evaluation_size=(12, 8),
    )
    written = {sample.key: sample for sample in boxed_examples(11, prefix="c")}
    seen = []
    for rank in range(ranks):
        loader = evaluation(data, rank=rank, ranks=ranks)
        for batch in loader:
            assert isinstance(batch, BoxEvaluationBatch)
            assert batch.boxes is not None
            assert batch.image.shape == (len(batch.keys), 3, 8, 12)
            assert batch.sizes == ((24, 16),) * len(batch.keys)
            for key, boxes in zip(batch.keys, batch.boxes, strict=True):
                expected = written[key].boxes
                assert expected is not None
                assert as_bytes(boxes) == as_bytes(expected.tensors())
            seen += batch.keys
        loader.close()
    assert sorted(seen) == sorted(written)


@pytest.mark.parametrize("workers", [0, 1])
def test_images_of_several_sizes_share_a_batch_and_keep_their_sizes(tmp_path, workers):
    mixed = [*boxed_examples(3, prefix="s"), *boxed_examples(4, size=(30, 20), prefix="t")]
    write_shards(f"{tmp_path}/evaluation", mixed)
    data = boxed_config(tmp_path, evaluation_batch_size_per_rank=4, workers_per_rank=workers)
    loader = evaluation(data)
    batches = list(loader)
    loader.close()
    assert [len(batch.keys) for batch in batches] == [4, 3]
    assert batches[0].sizes == ((24, 16), (24, 16), (24, 16), (30, 20))


def test_without_boxes_there_are_none(root):
    data = boxed_config(root, evaluation=None, evaluation_images=3)
    loader: EvaluationLoader[BoxEvaluationBatch] = target_images(data, rank=0, world_size=1)
    assert not loader.labelled
    batches = list(loader)
    assert sum(len(batch.keys) for batch in batches) == 3
    assert all(batch.boxes is None for batch in batches)
    assert all(batch.sizes == ((24, 16),) for batch in batches)
    # Those that are there are not read where they are not asked for.
    assert all(b.boxes is None for b in evaluation(boxed_config(root), labelled=False))


def test_boxes_of_target_shards_are_never_read(root, tmp_path):
    wrong = box_arrays([[0, 0, 999, 999]], [99], [False])
    bad = [sample._replace(boxes=wrong) for sample in boxed_examples(4)]
    write_shards(f"{tmp_path}/target", bad)
    data = boxed_config(root, target=f"{tmp_path}/target")
    take(open_training(data), 4)
    with pytest.raises(DataError, match=r"sample s000.: its box 0 = \[0, 0, 999, 999\]"):
        take(open_training(boxed_config(root, source=f"{tmp_path}/target")), 1)


def test_label_maps_and_boxes_lie_side_by_side(root, tmp_path):
    both = [
        boxed._replace(label=plain.label)
        for boxed, plain in zip(boxed_examples(6), examples(6), strict=True)
    ]
    manifest = write_shards(f"{tmp_path}/source", both)
    assert manifest.has("pixels")
    assert manifest.has("boxes")
    (boxes,) = take(open_training(boxed_config(root, source=f"{tmp_path}/source")), 1)
    assert isinstance(boxes, BoxBatch)
    pixels = TrainingLoader(
        data_config(root, source=f"{tmp_path}/source"), rank=0, world_size=1, seed=0
    )
    batch = next(pixels)
    assert batch.source_keys == boxes.source_keys
    assert batch.source_label.shape == (2, 16, 24)


def test_a_damaged_file_of_boxes_is_skipped_like_any_damage(tmp_path):
    samples = boxed_examples(40)
    write_shards(f"{tmp_path}/source", samples, per_shard=40, per_block=1)
    write_shards(f"{tmp_path}/target", examples(9), labelled=False)
    _spoil(tmp_path / "source", "s0007")
    data = boxed_config(tmp_path, max_damaged_fraction=0.1, batch_size_per_rank=1)
    loader = open_training(data)
    keys = Counter(key for batch in take(loader, 40) for key in batch.source_keys)
    assert "s0007" not in keys
    assert keys["s0008"] == 2, "its neighbour takes its place"
    assert loader.take_traffic()["source"][SKIPPED] == 1
    with pytest.raises(DataError, match=r"s0007: its boxes.json can't be read.*'fail'"):
        take(open_training(replace(data, damaged="fail")), 40)


def _spoil(folder: Path, key: str) -> None:
    """Make a sample's boxes no JSON, and checksums that say so."""
    shard = folder / "shard-00000.tar"
    data = bytearray(shard.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(bytes(data))) as tar:
        place = tar.getmember(f"{key}.boxes.json").offset_data
    data[place] = ord("?")
    shard.write_bytes(data)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for block in manifest["shards"][0]["blocks"]:
        start = block["offset"]
        block |= checksums(bytes(data[start : start + block["num_bytes"]]))
    path.write_text(json.dumps(manifest))


def test_shards_that_do_not_fit_are_refused_and_the_message_speaks_of_boxes(root, tmp_path):
    with pytest.raises(DataError, match=r"target: its shards have no boxes; .* with boxes"):
        open_training(boxed_config(root, source="target"))
    write_shards(f"{tmp_path}/labelled", examples(4))
    with pytest.raises(
        DataError, match=r"labelled: .* have label maps, but .* data.labels = pixels"
    ):
        evaluation(boxed_config(root), f"{tmp_path}/labelled")
    with pytest.raises(
        DataError, match=r"source: its shards have boxes, but no .* data.labels = boxes"
    ):
        TrainingLoader(data_config(root), rank=0, world_size=1, seed=0)
    with pytest.raises(DataError, match=r"classes cityscapes_boxes8, but data.classes = 'mine'"):
        open_training(replace(boxed_config(root), classes="mine"))
    none = box_arrays(np.zeros((0, 4)), [], [])
    write_shards(f"{tmp_path}/void", [Example("a", examples(1)[0].image, None, none)])
    with pytest.raises(DataError, match=r"void: none of its samples has a box"):
        evaluation(boxed_config(root), f"{tmp_path}/void")


def test_changes_that_are_of_the_other_kind_of_labels_are_refused():
    for change, name in (({"zoom_out": 0.5}, "zoom_out"), ({"iou_crop": True}, "iou_crop")):
        with pytest.raises(ConfigError, match=rf"data.augment.{name} = .*: it moves boxes"):
            data_config("x", augment=AugmentConfig(**change))
    share = AugmentConfig(crop=(8, 8), crop_max_share=0.75)
    with pytest.raises(ConfigError, match=r"data.augment.crop_max_share = 0.75: boxes have no"):
        boxed_config("x", augment=share)
    with pytest.raises(ConfigError, match=r"data.augment.zoom_out_side = 0.5: give a factor"):
        AugmentConfig(zoom_out=0.5, zoom_out_side=0.5)
