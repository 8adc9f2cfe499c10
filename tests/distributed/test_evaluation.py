"""An evaluation of a sharded network: one forward a batch, on ranks of unequal numbers of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from advent_dist.data.class_sets import CAMVID_11
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.training.evaluator import Evaluator
from tests.helpers import run_ranks, tiny_run, write_tiny_shards

BATCH = 4


def _evaluate(world: World, root: str, options: dict[str, Any]) -> tuple[float, int]:
    """The target mIoU, and how often this rank's network was called."""
    run = tiny_run(
        root,
        "runs",
        data__evaluation_batch_size_per_rank=BATCH,
        **options,
    )
    method = build_method(run, world, torch.full((11,), 1 / 11))
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    method.engines["segmenter"].module.register_forward_hook(count)
    scores = Evaluator(run, CAMVID_11, world).scores(method.engines["segmenter"], step=0)
    return scores.target["miou"], calls


@pytest.mark.parametrize(
    ("ranks", "calls", "window"), [(2, 2, None), (3, 1, None), (2, 2 * 3, (32, 64))]
)
def test_sharded_ranks_go_on_together(
    tmp_path: Path, ranks: int, calls: int, window: tuple[int, int] | None
) -> None:
    """Of 9 samples two ranks have 5 and 4: two batches, and one; of three windows each."""
    write_tiny_shards(str(tmp_path), num_samples=7)  # 9 of them to evaluate
    windows = {"data__evaluation_window": window}
    sharded = {"engine__zero_stage": 3, "engine__zero3_persistence_threshold": 0, **windows}
    whole = run_ranks(_evaluate, ranks, str(tmp_path), windows)
    together = run_ranks(_evaluate, ranks, str(tmp_path), sharded)
    assert [one[1] for one in together] == [calls] * ranks
    assert [one[0] for one in together] == pytest.approx([one[0] for one in whole])
