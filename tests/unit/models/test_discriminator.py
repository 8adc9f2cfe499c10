from __future__ import annotations

import pytest
import torch

from advent_dist.errors import ConfigError
from advent_dist.models.discriminator import Discriminator


def test_names_and_shapes_are_the_published_ones() -> None:
    shapes = {n: tuple(v.shape) for n, v in Discriminator(19, width=64).state_dict().items()}
    assert {n: s for n, s in shapes.items() if n.endswith("weight")} == {
        "0.weight": (64, 19, 4, 4),
        "2.weight": (128, 64, 4, 4),
        "4.weight": (256, 128, 4, 4),
        "6.weight": (512, 256, 4, 4),
        "8.weight": (1, 512, 4, 4),
    }
    assert sum(name.endswith("bias") for name in shapes) == 5


def test_one_logit_a_32nd_of_each_side() -> None:
    assert Discriminator(3, width=2)(torch.rand(2, 3, 64, 97)).shape == (2, 1, 2, 3)


def test_maps_that_would_vanish_are_refused() -> None:
    discriminator = Discriminator(3, width=2)
    assert discriminator(torch.rand(1, 3, 32, 32)).shape == (1, 1, 1, 1)
    with pytest.raises(ConfigError, match=r"40 x 31 pixels.*at least 32"):
        discriminator(torch.rand(1, 3, 31, 40))
