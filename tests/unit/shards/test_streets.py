from __future__ import annotations

from typing import get_args, get_type_hints

import numpy as np
import pytest

from advent_dist.errors import DataError
from shards.streets import LOOKS, scene
from shards.streets.reader import Streets

SIZE = (160, 80)


@pytest.mark.parametrize("look", sorted(LOOKS))
def test_a_scene_is_a_function_of_its_arguments(look: str) -> None:
    image, label = scene(3, look, SIZE)
    again, label_again = scene(3, look, SIZE)
    assert image.shape == (80, 160, 3)
    assert label.shape == (80, 160)
    assert image.dtype == label.dtype == np.uint8
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(label, label_again)
    assert (scene(4, look, SIZE)[1] != label).any()


def test_looks_share_the_streets_and_differ_in_appearance() -> None:
    scenes = {look: scene(5, look, SIZE) for look in LOOKS}
    for look, (image, label) in scenes.items():
        np.testing.assert_array_equal(label, scenes["clean"][1])
        others = [other for name, (other, _) in scenes.items() if name != look]
        assert all(np.abs(image.astype(int) - other).mean() > 8 for other in others)


def test_dusk_is_darker_and_fog_is_flatter_than_clean() -> None:
    pictures = {
        look: np.stack([scene(seed, look, SIZE)[0] for seed in range(5)]).astype(float)
        for look in ("clean", "dusk", "fog")
    }
    assert pictures["dusk"].mean() < 0.7 * pictures["clean"].mean()
    assert pictures["fog"].std() < 0.7 * pictures["clean"].std()


def test_every_class_occurs() -> None:
    labels = np.stack([scene(seed, "clean", SIZE)[1] for seed in range(40)])
    present = set(np.unique(labels).tolist())
    assert present - {255} == set(range(19))


def test_image_and_label_agree_to_the_pixel() -> None:
    # The rendered sky is the only bluish white-to-blue area above the horizon: measure how well a
    # label's sky covers it, as it is and moved by two pixels.
    def share_of_blue(move: int) -> float:
        hits = []
        for seed in range(5):
            image, label = scene(seed, "clean", SIZE)
            red, _, blue = np.moveaxis(image.astype(int), 2, 0)
            hits.append((blue > red + 40)[np.roll(label, move, axis=1) == 10])
        return float(np.concatenate(hits).mean())

    assert share_of_blue(0) > 0.99
    assert max(share_of_blue(-2), share_of_blue(2)) < 0.98


def test_the_reader_offers_exactly_the_looks() -> None:
    assert set(get_args(get_type_hints(Streets)["look"])) == set(LOOKS)


def test_seeds_do_not_share_scenes() -> None:
    first, second = (Streets(count=3, seed=seed).items(labelled=True) for seed in (0, 1))
    assert not {item.number for item in first} & {item.number for item in second}


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="look 'snow'"):
        scene(0, "snow", SIZE)
    with pytest.raises(DataError, match="streets: count = 0"):
        Streets(count=0)
