from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from advent_dist.models.segmenter import build_segmenter
from advent_dist.models.test_time import augmented
from advent_dist.models.upsampling import CoarseLogits
from tests.helpers import tiny_experiment


def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 48, 64), generator=generator, dtype=torch.uint8)


def redness(images: Tensor) -> CoarseLogits:
    """Logits at half of the images' size."""
    red = F.avg_pool2d(images[:, :1].float() / 64, 2)
    return CoarseLogits(values=torch.cat([red, 1 - red, red * red], 1), align_corners=False)


def test_the_mean_of_the_probabilities() -> None:
    found = augmented(redness, images(), [0.5, 1.0], flip=False).values.softmax(1)
    half = F.interpolate(images().float(), (24, 32), mode="bicubic", antialias=True).clamp(0, 255)
    looks = [redness(one).upsample((48, 64)).softmax(1) for one in (half, images())]
    torch.testing.assert_close(found, (looks[0] + looks[1]) / 2)


def test_what_is_seen_mirrored_is_the_mirror_image() -> None:
    torch.manual_seed(0)
    segmenter = build_segmenter(tiny_experiment("streets_advent").model, 19).eval()
    seen, mirrored = (
        augmented(segmenter.coarse, one, [1.0, 1.5], flip=True).values.softmax(1)
        for one in (images(), images().flip(-1))
    )
    torch.testing.assert_close(seen, mirrored.flip(-1))
    once = segmenter.coarse(images()).upsample((48, 64)).softmax(1)
    assert (seen - once).abs().max() > 1e-4


def test_one_look_is_the_softmax_itself() -> None:
    found = augmented(redness, images(), [1.0], flip=False).values.softmax(1)
    torch.testing.assert_close(found, redness(images()).upsample((48, 64)).softmax(1))


def test_sides_that_have_to_be_multiples() -> None:
    seen = []

    def look(images: Tensor) -> CoarseLogits:
        seen.append(tuple(images.shape[2:]))
        return redness(images)

    augmented(look, images(), [0.01, 0.9, 1.0], flip=False, multiple_of=8)
    assert seen == [(8, 8), (40, 56), (48, 64)]
