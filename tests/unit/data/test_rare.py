"""Rare class sampling: which images are drawn how often, and that a run finds them again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from advent_dist.config import AugmentConfig
from advent_dist.config.override import override
from advent_dist.data import class_pixels
from advent_dist.data.domain import order_of
from advent_dist.data.loader import TrainingLoader
from advent_dist.data.rare import RareOrder
from advent_dist.data.store import read_manifest
from advent_dist.data.transforms import augment
from advent_dist.errors import ConfigError, DataError
from advent_dist.experiments import experiment
from tests.helpers import tiny_run, write_tiny_shards

PIXELS = np.array(
    [[5000, 0, 10], [5000, 0, 0], [5000, 200, 0], [5000, 300, 0], [4000, 50, 400], [100, 0, 0]]
)


def _order(**changes: Any) -> RareOrder:
    values: dict[str, Any] = {
        "block_sizes": (2, 1, 3),
        "seed": 3,
        "pixels": PIXELS,
        "temperature": 1.0,
        "min_pixels": 100,
    }
    return RareOrder(**values | changes)


def _sequence(
    order: RareOrder, start: int, stop: int, epoch: int = 0
) -> list[tuple[int, int, int]]:
    """(position, class, sample) of each position."""
    first = np.cumsum([0, *order.block_sizes])
    found = []
    for portion in order.portions(epoch, start, stop):
        assert portion.drawn is not None
        for (block, index), (position, one) in zip(portion.picks, portion.drawn, strict=True):
            assert index < order.block_sizes[block]
            found.append((position, one, int(first[block]) + index))
    return found


def test_images_are_drawn_for_a_class_that_they_have_enough_of() -> None:
    found = _sequence(_order(), 0, 4000)
    assert [position for position, _, _ in found] == list(range(4000))
    by_class: dict[int, set[int]] = {}
    for _, one, sample in found:
        by_class.setdefault(one, set()).add(sample)
    # More than 100: neither sample 5 (exactly 100) nor those with fewer.
    assert by_class == {0: {0, 1, 2, 3, 4}, 1: {2, 3}, 2: {4}}
    probabilities = _order().probabilities
    counts = Counter(one for _, one, _ in found)
    for one, probability in enumerate(probabilities):
        assert counts[one] / 4000 == pytest.approx(probability, abs=0.03)


def test_any_part_of_the_sequence_is_the_same_part() -> None:
    whole = _sequence(_order(), 0, 100)
    assert _sequence(_order(), 37, 71) == whole[37:71]
    assert _sequence(_order(), 0, 100, epoch=1) != whole
    assert _sequence(_order(seed=4), 0, 100) != whole


def test_a_class_without_images_is_never_drawn() -> None:
    order = _order(min_pixels=350)
    assert order.probabilities[1] == 0
    assert order.probabilities.sum() == pytest.approx(1)
    assert {one for _, one, _ in _sequence(order, 0, 200)} == {0, 2}


def test_pixels_as_text_and_back() -> None:
    texts = [class_pixels.to_text(row.tolist()) for row in PIXELS]
    assert texts[:2] == ["0:5000 2:10", "0:5000"]
    np.testing.assert_array_equal(class_pixels.from_text(texts, 3), PIXELS)


@pytest.fixture
def root(tmp_path: Path) -> str:
    write_tiny_shards(str(tmp_path))
    return str(tmp_path)


def _data(root: str, **changes: Any) -> Any:
    wanted = {"data__rare_class_temperature": 0.05, "data__rare_class_pixels": 20}
    return tiny_run(root, "unused", **wanted | changes).data


def _keys(loader: TrainingLoader, batches: int) -> list[tuple[str, ...]]:
    return [next(loader).source_keys for _ in range(batches)]


def test_a_loader_draws_by_class_and_goes_on_where_it_was(root: str) -> None:
    data = _data(root)
    manifest = read_manifest(f"{root}/source", data)
    order = order_of(data, "source", manifest, seed=0)
    assert isinstance(order, RareOrder)
    whole = TrainingLoader(data, rank=0, world_size=1, seed=0)
    expected = _keys(whole, 12)
    counts = Counter(key for keys in expected for key in keys)
    assert max(counts.values()) > 24 / manifest.num_samples + 2, "some come more often than others"
    begun = TrainingLoader(data, rank=0, world_size=1, seed=0)
    assert _keys(begun, 5) == expected[:5]
    again = TrainingLoader(data, rank=0, world_size=1, seed=0, state=begun.state())
    assert _keys(again, 7) == expected[5:]
    plain = TrainingLoader(
        _data(root, data__rare_class_temperature=None), rank=0, world_size=1, seed=0
    )
    assert _keys(plain, 12) != expected
    for loader in (whole, begun, again, plain):
        loader.close()


def test_other_ranks_go_on_with_the_same_draws(root: str) -> None:
    """Three ranks, then two: together the images of the epoch that one rank draws."""
    data = _data(root, data__batch_size_per_rank=1)

    def one_rank(batches: int) -> list[str]:
        loader = TrainingLoader(data, rank=0, world_size=1, seed=0)
        keys = [key for keys in _keys(loader, batches) for key in keys]
        loader.close()
        return keys

    seen: list[str] = []
    begun = [TrainingLoader(data, rank=rank, world_size=3, seed=0) for rank in range(3)]
    seen += [key for loader in begun for keys in _keys(loader, 2) for key in keys]
    state = begun[0].state()
    again = [
        TrainingLoader(data, rank=rank, world_size=2, seed=0, state=state) for rank in range(2)
    ]
    seen += [key for loader in again for keys in _keys(loader, 2) for key in keys]
    for loader in (*begun, *again):
        loader.close()
    assert sorted(seen) == sorted(one_rank(10))


def test_an_image_that_comes_twice_is_cut_in_two_ways(root: str) -> None:
    data = _data(root, data__augment__crop=(16, 16))
    loader = TrainingLoader(data, rank=0, world_size=1, seed=0)
    seen: dict[str, list[torch.Tensor]] = {}
    for _ in range(12):
        batch = next(loader)
        for key, image in zip(batch.source_keys, batch.source_image, strict=True):
            seen.setdefault(key, []).append(image.clone())
    loader.close()
    twice = [images for images in seen.values() if len(images) > 1]
    assert twice
    assert all(not images[0].equal(images[1]) for images in twice)


def test_what_cant_be_drawn_is_refused(root: str) -> None:
    data = _data(root)
    manifest = read_manifest(f"{root}/source", data)
    with pytest.raises(
        DataError, match=r"more than data\.rare_class_pixels = 999999 pixels of any"
    ):
        TrainingLoader(_data(root, data__rare_class_pixels=999_999), rank=0, world_size=1, seed=0)
    shards = tuple(
        replace(one, blocks=tuple(replace(b, class_pixels=None) for b in one.blocks))
        for one in manifest.shards
    )
    with pytest.raises(DataError, match=r"source: its manifest does not say .*build the shards"):
        order_of(data, "source", replace(manifest, shards=shards), seed=0)


def test_what_is_asked_of_crops_needs_crops_and_of_draws_needs_draws() -> None:
    base = experiment("streets_dacs")
    for field, value in (("crop_max_share", 0.75), ("crop_min_pixels", 5)):
        with pytest.raises(
            ConfigError, match=rf"augment\.{field} = {value}: .* set data\.augment\.crop"
        ):
            override(base, {f"data.augment.{field}": value})
    crop = {"data.augment.crop": (64, 64), "data.augment.crop_min_pixels": 5}
    with pytest.raises(ConfigError, match=r"crop_min_pixels = 5: .*data\.rare_class_temperature"):
        override(base, crop)
    override(base, crop | {"data.rare_class_temperature": 0.01})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rare_class_temperature", 0.0),
        ("rare_class_pixels", -1),
        ("augment.crop_max_share", 0.0),
        ("augment.crop_min_pixels", -1),
    ],
)
def test_values_out_of_range(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"data\.{field} = {value}"):
        override(experiment("streets_dacs"), {f"data.{field}": value})


def _crops(config: AugmentConfig, wanted: int | None) -> list[torch.Tensor]:
    """Of a label that is class 0 but for a tenth of its area at the right, which is class 1."""
    label = torch.zeros(20, 100, dtype=torch.uint8)
    label[:, 90:] = 1
    image = torch.zeros(3, 20, 100, dtype=torch.uint8)
    crops = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        crop = augment(image, label, (100, 20), config, rng, wanted)[1]
        assert crop is not None
        crops.append(crop)
    return crops


def test_crops_are_cut_again_until_they_have_what_their_image_was_drawn_for() -> None:
    config = AugmentConfig(crop=(20, 20), crop_min_pixels=30)
    having = [int((crop == 1).sum()) > 30 for crop in _crops(config, wanted=1)]
    before = [int((crop == 1).sum()) > 30 for crop in _crops(config, wanted=None)]
    # A crop has it at 9 of 81 places: eleven tries fail in 27 %.
    assert sum(before) < 40
    assert 58 <= sum(having) <= 88


def test_crops_are_cut_again_until_no_class_has_nearly_all() -> None:
    config = AugmentConfig(crop=(20, 20), crop_max_share=0.75)
    mixed = [0.25 < float((crop == 1).float().mean()) < 0.75 for crop in _crops(config, None)]
    assert 60 <= sum(mixed) <= 90
