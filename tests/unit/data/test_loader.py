"""The loaders, on real shards: who sees what, resuming, worker processes, and refusals."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
import torch

from advent_dist.config import AugmentConfig, DataConfig
from advent_dist.data.domain import DomainStream
from advent_dist.data.evaluation_loader import EvaluationLoader, target_images
from advent_dist.data.loader import TrainingLoader
from advent_dist.data.progress import Phase
from advent_dist.data.traffic import BYTES
from advent_dist.errors import DamageError, DataError
from advent_dist.types import DomainBatch, EvaluationBatch
from tests.shard_helpers import Example, data_config, examples, write_shards
from tests.waiting import wait_until

NUM_SOURCE, NUM_TARGET = 14, 9
BUSY_AUGMENTATION = AugmentConfig(scale=(0.8, 1.5), crop=(16, 12), flip=0.5, jitter=0.3)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shards")
    write_shards(f"{root}/source", examples(NUM_SOURCE, prefix="a"))
    write_shards(f"{root}/target", examples(NUM_TARGET, prefix="b"), labelled=False)
    write_shards(f"{root}/evaluation", examples(11, prefix="c"))
    return root


def take(loader: TrainingLoader, count: int) -> list[DomainBatch]:
    return [next(loader) for _ in range(count)]


def same(one: DomainBatch, other: DomainBatch) -> bool:
    return (
        one.source_keys == other.source_keys
        and one.target_keys == other.target_keys
        and torch.equal(one.source_image, other.source_image)
        and torch.equal(one.source_label, other.source_label)
        and torch.equal(one.target_image, other.target_image)
    )


def test_a_batch_holds_the_written_pixels(root):
    written = {sample.key: sample for sample in examples(NUM_SOURCE, prefix="a")}
    written |= {sample.key: sample for sample in examples(NUM_TARGET, prefix="b")}
    loader = TrainingLoader(data_config(root), rank=0, world_size=1, seed=0)
    for batch in take(loader, 8):
        assert batch.source_image.shape == batch.target_image.shape == (2, 3, 16, 24)
        for key, image in zip(batch.source_keys, batch.source_image, strict=True):
            assert (image.permute(1, 2, 0).numpy() == written[key].image).all()
        for key, label in zip(batch.source_keys, batch.source_label, strict=True):
            assert (label.numpy() == written[key].label).all()
        for key, image in zip(batch.target_keys, batch.target_image, strict=True):
            assert (image.permute(1, 2, 0).numpy() == written[key].image).all()


@pytest.mark.parametrize(("world_size", "workers"), [(1, 0), (3, 0), (2, 2)])
def test_all_ranks_together_see_each_sample_once_an_epoch(root, world_size, workers):
    data = data_config(root, batch_size_per_rank=1, workers_per_rank=workers)
    loaders = [
        TrainingLoader(data, rank=rank, world_size=world_size, seed=1) for rank in range(world_size)
    ]
    batches = [batch for loader in loaders for batch in take(loader, 2 * NUM_SOURCE)]
    for loader in loaders:
        loader.close()
    seen = Counter(key for batch in batches for key in batch.source_keys)
    assert len(seen) == NUM_SOURCE
    assert max(seen.values()) - min(seen.values()) <= 2


def test_worker_processes_yield_what_this_process_would(root):
    data = data_config(root, augment=BUSY_AUGMENTATION)
    in_process = TrainingLoader(data, rank=1, world_size=2, seed=4)
    forked = TrainingLoader(
        data_config(root, augment=BUSY_AUGMENTATION, workers_per_rank=1),
        rank=1,
        world_size=2,
        seed=4,
    )
    assert all(map(same, take(in_process, 12), take(forked, 12)))
    forked.close()


@pytest.mark.parametrize("workers", [0, 3])
def test_resuming_is_bit_identical(root, workers):
    data = data_config(root, augment=BUSY_AUGMENTATION, workers_per_rank=workers)
    loader = TrainingLoader(data, rank=0, world_size=2, seed=9)
    take(loader, 4)
    state = json.loads(json.dumps(loader.state()))
    expected = take(loader, 9)
    loader.close()
    resumed = TrainingLoader(data, rank=0, world_size=2, seed=9, state=state)
    assert all(map(same, take(resumed, 9), expected))
    assert resumed.state() == loader.state()
    resumed.close()


def test_a_sample_is_augmented_alike_whatever_the_world_size(root):
    pixels = []
    for world_size in (1, 2):
        data = data_config(root, augment=BUSY_AUGMENTATION, batch_size_per_rank=1)
        loaders = [
            TrainingLoader(data, rank=r, world_size=world_size, seed=2) for r in range(world_size)
        ]
        batches = [b for loader in loaders for b in take(loader, NUM_SOURCE // world_size)]
        pixels.append({b.source_keys: b.source_image.numpy().tobytes() for b in batches})
    assert pixels[0] == pixels[1]
    assert len(pixels[0]) == NUM_SOURCE


def test_the_rest_of_an_epoch_follows_a_change_of_world_size(root):
    before = data_config(root, batch_size_per_rank=1)
    seen: Counter[str] = Counter()
    for rank in range(3):
        loader = TrainingLoader(before, rank=rank, world_size=3, seed=6)
        seen.update(key for batch in take(loader, 2) for key in batch.source_keys)
    assert sum(seen.values()) == 6
    after = data_config(root, batch_size_per_rank=2, workers_per_rank=2)
    for rank in range(2):
        resumed = TrainingLoader(after, rank=rank, world_size=2, seed=6, state=loader.state())
        seen.update(key for batch in take(resumed, 2) for key in batch.source_keys)
        resumed.close()
    assert len(seen) == NUM_SOURCE
    assert set(seen.values()) == {1}


def test_seed_and_domain_change_the_order(root):
    write_shards(f"{root}/twin", examples(NUM_SOURCE, prefix="a"))
    data = data_config(root, target="twin", batch_size_per_rank=NUM_SOURCE)
    orders = set()
    for seed in (0, 1, 2):
        batch = next(TrainingLoader(data, rank=0, world_size=1, seed=seed))
        orders |= {batch.source_keys, batch.target_keys}
    assert len(orders) == 6


def test_the_global_random_state_is_left_alone(root):
    before = torch.get_rng_state()
    data = data_config(root, augment=BUSY_AUGMENTATION, workers_per_rank=0)
    take(TrainingLoader(data, rank=0, world_size=1, seed=0), 2)
    list(EvaluationLoader(data, "evaluation", rank=0, world_size=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_more_ranks_than_shards_work(root):
    write_shards(f"{root}/one-shard", examples(NUM_SOURCE, prefix="a"), per_shard=99, per_block=99)
    data = data_config(root, source="one-shard", batch_size_per_rank=1)
    seen: Counter[str] = Counter()
    for rank in range(7):
        batches = take(TrainingLoader(data, rank=rank, world_size=7, seed=0), 2)
        seen.update(key for batch in batches for key in batch.source_keys)
    assert len(seen) == NUM_SOURCE


def test_more_ranks_than_samples_are_refused(root):
    with pytest.raises(DataError, match=r"data.target = 'target' has 9 samples, .* 10 ranks"):
        TrainingLoader(data_config(root), rank=0, world_size=10, seed=0)


def test_a_batch_larger_than_the_data_set_goes_through_several_epochs(root):
    data = data_config(root, batch_size_per_rank=3 * NUM_TARGET)
    batch = next(TrainingLoader(data, rank=0, world_size=1, seed=0))
    assert set(Counter(batch.target_keys).values()) == {3}


def test_closing_ends_the_workers(root):
    others = children()  # such as the S3 server and Ray of other tests
    loader = TrainingLoader(data_config(root, workers_per_rank=2), rank=0, world_size=1, seed=0)
    next(loader)
    assert len(children() - others) == 4
    started = time.monotonic()
    loader.close()
    assert children() <= others
    assert time.monotonic() - started < 4


def test_readers_live_through_evaluations(root):
    """Nothing is forked once a GPU is in use."""
    others = children()
    data = data_config(root, workers_per_rank=2)
    loader = EvaluationLoader(data, data.evaluation, rank=0, world_size=1)
    loader.start()
    readers = children() - others
    assert len(readers) == 2
    alone = EvaluationLoader(data_config(root), data.evaluation, rank=0, world_size=1)
    expected = {batch.keys: batch.image for batch in alone}
    for _ in range(3):
        images = {batch.keys: batch.image for batch in loader}
        assert children() - others == readers
        assert images.keys() == expected.keys()
        assert all(torch.equal(image, expected[keys]) for keys, image in images.items())
    loader.close()
    assert children() <= others


def test_an_evaluation_that_is_left_in_the_middle(root):
    """The next one is whole, and whoever still holds the first keeps no reader alive."""
    others = children()
    data = data_config(root, workers_per_rank=1)
    loader = EvaluationLoader(data, data.evaluation, rank=0, world_size=1)
    expected = [batch.keys for batch in loader]
    assert len(expected) > 2
    left = iter(loader)
    assert next(left).keys == expected[0]
    assert [batch.keys for batch in loader] == expected
    left = iter(loader)
    next(left)
    loader.close()
    assert children() <= others


def test_a_reader_that_is_killed_between_evaluations_is_replaced(root):
    others = children()
    data = data_config(root, workers_per_rank=1)
    loader = EvaluationLoader(data, data.evaluation, rank=0, world_size=1)
    first = [batch.keys for batch in loader]
    (reader,) = children() - others
    os.kill(int(reader), signal.SIGKILL)
    assert [batch.keys for batch in loader] == first
    loader.close()
    assert children() <= others


def _start_readers(root: Path, pipe: Connection) -> None:
    loader = TrainingLoader(data_config(root, workers_per_rank=1), rank=0, world_size=1, seed=0)
    others = children()
    loader.start()
    pipe.send(sorted(children() - others))
    time.sleep(60)


def test_readers_are_gone_with_a_process_that_is_killed(root):
    """They hold its connections open, by which others see that it is there."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    trainer = fork.Process(target=_start_readers, args=(root, theirs))
    trainer.start()
    readers = [psutil.Process(int(pid)) for pid in ours.recv()]
    assert len(readers) == 2
    assert trainer.pid is not None
    os.kill(trainer.pid, signal.SIGKILL)
    # PyTorch's own look after their parent every five seconds.
    wait_until(lambda: not any(map(_runs, readers)), within_s=1)
    trainer.join()


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_started_readers_go_on_where_they_are_told(root):
    """They are there before it is known how far a checkpoint is."""
    data = data_config(root, workers_per_rank=2)
    first = TrainingLoader(data, rank=0, world_size=1, seed=9)
    take(first, 3)
    state = json.loads(json.dumps(first.state()))
    others = children()
    resumed = TrainingLoader(data, rank=0, world_size=1, seed=9)
    resumed.start()
    readers = children() - others
    assert len(readers) == 4
    resumed.go_on(state)
    for one, other in zip(take(first, 4), take(resumed, 4), strict=True):
        assert one.source_keys == other.source_keys
        assert torch.equal(one.source_image, other.source_image)
        assert torch.equal(one.target_image, other.target_image)
    assert children() - others == readers
    for loader in (first, resumed):
        loader.close()


def children() -> set[str]:
    own = f"/proc/self/task/{os.getpid()}/children"
    return set(Path(own).read_text().split())


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_worker_arrives_as_it_was_raised(root, workers, tmp_path):
    write_shards(f"{tmp_path}/source", examples(4))
    shard = tmp_path / "source" / "shard-00000.tar"
    data = bytearray(shard.read_bytes())
    data[600] ^= 1
    shard.write_bytes(data)
    config = data_config(tmp_path, target=f"{root}/target", workers_per_rank=workers)
    loader = TrainingLoader(config, rank=0, world_size=1, seed=0)
    with pytest.raises(DataError) as caught:
        take(loader, 4)
    loader.close()
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/source/shard-00000.tar: bytes 0-")
    assert "\n" not in message


def test_labels_in_target_shards_are_never_decoded(root, tmp_path):
    wrong = [
        s._replace(label=s.label + 100) for s in examples(4, num_classes=3) if s.label is not None
    ]
    write_shards(f"{tmp_path}/target", wrong)
    data = data_config(root, target=f"{tmp_path}/target")
    assert len(take(TrainingLoader(data, rank=0, world_size=1, seed=0), 4)) == 4
    with pytest.raises(
        DataError, match=r"sample s000.: its label holds the value 1.., but camvid11"
    ):
        take(
            TrainingLoader(
                data_config(root, source=f"{tmp_path}/target"), rank=0, world_size=1, seed=0
            ),
            1,
        )


def test_shards_that_do_not_fit_the_config_are_refused(root):
    with pytest.raises(DataError, match=r"target: its shards have no labels"):
        TrainingLoader(data_config(root, source="target"), rank=0, world_size=1, seed=0)
    with pytest.raises(DataError, match=r"target: its shards have no labels"):
        EvaluationLoader(data_config(root), "target", rank=0, world_size=1)
    data = data_config(root, classes="cityscapes19")
    with pytest.raises(DataError, match=r"classes camvid11, but data.classes = 'cityscapes19'"):
        TrainingLoader(data, rank=0, world_size=1, seed=0)
    with pytest.raises(DataError, match=r"build the shards .*or correct the folder and data.root"):
        TrainingLoader(data_config(root / "nowhere"), rank=0, world_size=1, seed=0)


def test_random_scales_need_a_crop_to_share_a_batch(root):
    augment = AugmentConfig(scale=(0.5, 2.0))
    with pytest.raises(DataError, match=r"set data.augment.crop"):
        TrainingLoader(data_config(root, augment=augment), rank=0, world_size=1, seed=0)
    alone = data_config(root, augment=augment, batch_size_per_rank=1)
    widths = {
        b.target_image.shape[-1]
        for b in take(TrainingLoader(alone, rank=0, world_size=1, seed=0), 5)
    }
    assert len(widths) > 1


def evaluated(data: DataConfig, world_size: int) -> list[list[EvaluationBatch]]:
    loaders = [
        EvaluationLoader(data, data.evaluation, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    return [list(loader) for loader in loaders]


@pytest.mark.parametrize(
    ("world_size", "workers", "batch_size"),
    [(1, 0, 4), (2, 0, 1), (3, 0, 4), (12, 0, 1), (1, 2, 2), (2, 2, 4), (3, 1, 2)],
)
def test_evaluation_sees_each_sample_once(root, world_size, workers, batch_size):
    data = data_config(root, workers_per_rank=workers, evaluation_batch_size_per_rank=batch_size)
    batches = [batch for own in evaluated(data, world_size) for batch in own]
    assert sorted(key for batch in batches for key in batch.keys) == [
        f"c{n:04d}" for n in range(11)
    ]
    assert max(len(batch.keys) for batch in batches) <= batch_size


def test_evaluation_may_be_repeated_and_keeps_labels_at_their_own_size(root):
    data = data_config(root, evaluation_size=(12, 8), evaluation_batch_size_per_rank=4)
    loader = EvaluationLoader(data, "evaluation", rank=0, world_size=1)
    written = {sample.key: sample for sample in examples(11, prefix="c")}
    for _ in range(2):
        batches = list(loader)
        assert [len(batch.keys) for batch in batches] == [4, 4, 3]
        for batch in batches:
            assert batch.image.shape[1:] == (3, 8, 12)
            for key, label in zip(batch.keys, batch.label, strict=True):
                assert (label.numpy() == written[key].label).all()


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_skipped_is_counted_also_where_nothing_is_left(tmp_path, workers):
    shards = write_shards(f"{tmp_path}/evaluation", examples(12))
    Path(tmp_path, "evaluation", shards.shards[1].name).write_bytes(b"")
    data = data_config(
        tmp_path, workers_per_rank=workers, evaluation_damaged="skip", max_damaged_fraction=0.5
    )
    loaders = [EvaluationLoader(data, "evaluation", rank=rank, world_size=2) for rank in (0, 1)]
    one = EvaluationLoader(data, "evaluation", rank=0, world_size=1)
    for _ in range(2):  # counts are those of the last iteration
        assert [len(list(loader)) for loader in loaders] == [6, 0]
        assert [loader.skipped for loader in loaders] == [0, 6]
        assert sum(len(batch.keys) for batch in one) == one.skipped == 6
    one.require_little_damage(6)
    with pytest.raises(DamageError, match=r"evaluation: 7 of 12 samples were skipped, more than"):
        one.require_little_damage(7)


def own_sizes(loader: EvaluationLoader) -> dict[str, tuple[int, ...]]:
    """Key -> the size that its logits are upsampled to, of images in which no pixel is labelled."""
    found = {}
    for batch in loader:
        assert (batch.label == 255).all()
        found |= dict.fromkeys(batch.keys, tuple(batch.label.shape[1:]))
    return found


@pytest.mark.parametrize("workers", [0, 2])
def test_images_without_labels_keep_their_own_size(tmp_path, workers):
    mixed = [*examples(3, prefix="s"), *examples(4, size=(30, 20), prefix="t")]
    write_shards(f"{tmp_path}/evaluation", mixed, labelled=False)
    data = data_config(tmp_path, workers_per_rank=workers, evaluation_batch_size_per_rank=2)
    loader = target_images(data, rank=0, world_size=1)
    assert not loader.labelled
    expected = {sample.key: sample.image.shape[:2] for sample in mixed}
    assert own_sizes(loader) == expected


@pytest.mark.parametrize("labelled", [False, True])
def test_without_evaluation_images_some_of_the_target_are_seen(tmp_path, labelled):
    """Their labels are not read, also where there are some."""
    write_shards(f"{tmp_path}/target", examples(9, prefix="b"), labelled=labelled)
    data = data_config(tmp_path, evaluation=None, evaluation_images=3)
    seen = [own_sizes(target_images(data, rank=rank, world_size=2)) for rank in (0, 1)]
    assert [list(keys) for keys in seen] == [["b0001"], ["b0004", "b0007"]]
    every = own_sizes(target_images(replace(data, evaluation_images=50), rank=0, world_size=1))
    assert len(every) == 9


def test_labels_of_several_sizes_make_smaller_batches(tmp_path):
    small, large = examples(4, prefix="s"), examples(5, size=(30, 20), prefix="t")
    mixed = [*small[:3], *large[:2], small[3], *large[2:]]
    write_shards(f"{tmp_path}/evaluation", mixed)
    data = data_config(tmp_path, evaluation_batch_size_per_rank=4)
    ((*batches,),) = evaluated(data, 1)
    assert [len(batch.keys) for batch in batches] == [3, 2, 1, 3]
    assert [tuple(batch.label.shape[1:]) for batch in batches] == [(16, 24), (20, 30)] * 2
    assert {tuple(batch.image.shape[1:]) for batch in batches} == {(3, 16, 24)}


def test_a_label_of_another_size_than_its_image_is_refused(tmp_path):
    (sample,) = examples(1)
    assert sample.label is not None
    write_shards(f"{tmp_path}/evaluation", [Example("odd", sample.image, sample.label[:-1])])
    loader = EvaluationLoader(data_config(tmp_path), "evaluation", rank=0, world_size=1)
    with pytest.raises(DataError, match="sample odd: its label is 24x15, but its image is 24x16"):
        list(loader)


def test_another_seed_can_not_go_on(root):
    loader = TrainingLoader(data_config(root), rank=0, world_size=1, seed=5)
    with pytest.raises(DataError, match=r"run.seed = 6, but the checkpoint was written with 5"):
        TrainingLoader(data_config(root), rank=0, world_size=1, seed=6, state=loader.state())


@pytest.mark.parametrize("workers", [0, 2])
def test_going_on_reads_what_remains_and_at_most_a_shard_more_a_worker(workers, tmp_path):
    shards = write_shards(f"{tmp_path}/source", examples(96), per_shard=24)
    write_shards(f"{tmp_path}/target", examples(96), per_shard=24)
    data = data_config(tmp_path, workers_per_rank=workers)
    phase = Phase(num_samples=96, ranks=1, workers=max(workers, 1), batch_size=2).advanced(40)
    stream = DomainStream(data, "source", 0, 1, seed=3, state=phase.to_state())
    keys = {key for _ in range(8) for key in next(stream).keys}
    read = stream.tally.take()[BYTES]
    stream.close()
    assert len(keys) == 16, "the rest of the epoch, each sample once"
    one_shard = shards.num_bytes / len(shards.shards)
    assert 0 < read <= shards.num_bytes * 16 / 96 + max(workers, 1) * one_shard
