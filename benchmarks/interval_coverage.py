"""How often the 95 % interval of a comparison holds the true difference.

Images and trainings are made up, so that the truth is known: the difference over a whole population
of images and seeds, or, of one training each, over the images alone. A few of each are drawn from
it, again and again.

    python benchmarks/interval_coverage.py --out benchmarks/results/interval_coverage.json
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import keep

from advent_dist.evaluation.paired import compare_counts

PRESENT = (1.0, 1.0, 0.9, 0.8, 0.5, 0.25)
"""Share of the images that a class occurs in; the rare ones are small, too."""
SHARES = (40.0, 25.0, 12.0, 8.0, 4.0, 2.0)
NAMES = tuple(f"class{number}" for number in range(len(PRESENT)))
SPREADS = {
    "seeds alike": (0.0, 0.1),
    "seeds differ": (0.1, 0.1),
    "seeds differ much": (0.2, 0.1),
    "seeds differ by image": (0.0, 0.6),
}
"""Standard deviations, in logits of a right pixel, of a seed and of a seed on an image."""


class Population:
    """All the images, all the trainings of two models, and the true difference of their mIoU."""

    def __init__(
        self, of_seeds: float, of_seeds_by_image: float, images: int = 400, seeds: int = 300
    ) -> None:
        random = np.random.default_rng(0)
        classes = len(PRESENT)
        weights = random.gamma(2.0, SHARES, (images, classes))
        weights *= random.random((images, classes)) < PRESENT
        pixels = np.round(5000 * weights / weights.sum(1, keepdims=True))
        difficulty = random.normal(1.0, 0.8, (images, 1)) + random.normal(0, 0.5, (images, classes))
        sides = []
        for gain in (0.2, 0.0):
            logit = difficulty + gain + random.normal(0, 0.4, (images, classes))
            logit = logit + random.normal(0, of_seeds, (seeds, 1, 1))
            logit = logit + random.normal(0, of_seeds, (seeds, 1, classes))
            logit += random.normal(0, of_seeds_by_image, (seeds, images, classes))
            right = np.round(pixels / (1 + np.exp(-logit)))
            wrong = pixels - right
            # What is wrong is taken for the next class, and so is in that one's union.
            union = pixels + np.roll(wrong, 1, axis=2)
            sides.append(np.stack([right, union], 1).astype(np.int64))
        self.pixels: NDArray[np.int64] = np.stack(sides)
        """int64 [2 models, seeds, 2 counts, images, classes]."""
        totals = self.pixels.sum(3)
        mious = 100 * (totals[:, :, 0] / totals[:, :, 1]).mean(2)
        self.differences: NDArray[np.float64] = mious[0] - mious[1]
        """[seeds], over all images."""

    def coverage(self, images: int, seeds: int, repeats: int, random: np.random.Generator) -> float:
        """Share of intervals that hold the truth, of so many images and seeds drawn anew."""
        return float(np.mean([self._holds(images, seeds, random) for _ in range(repeats)]))

    def _holds(self, images: int, seeds: int, random: np.random.Generator) -> bool:
        image = random.integers(self.pixels.shape[3], size=images)
        seed = random.choice(self.pixels.shape[1], size=seeds, replace=False)
        found = compare_counts(self.pixels[:, seed][:, :, :, image], NAMES).miou
        truth = self.differences[seed[0]] if seeds == 1 else self.differences.mean()
        return bool(found.low <= truth <= found.high)


def rows(repeats: int) -> list[dict[str, Any]]:
    """The coverage of each setting, in percent."""
    random = np.random.default_rng(1)
    found = []
    for name, spreads in SPREADS.items():
        population = Population(*spreads)
        for seeds in (1, 2, 3, 5):
            for images in (10, 20, 50, 200):
                share = population.coverage(images, seeds, repeats, random)
                row = {"population": name, "seeds": seeds, "images": images}
                found.append(row | {"coverage": round(100 * share, 1)})
                print(found[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = rows(options.repeats)
    shares = [row["coverage"] for row in found]
    ratios = {"least coverage, %": min(shares), "greatest coverage, %": max(shares)}
    question = "How often does the 95 % interval of a comparison hold the true difference?"
    keep(options.out, question=question, ratios=ratios, rows=found)


if __name__ == "__main__":
    main()
