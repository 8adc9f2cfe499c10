"""A progress bar whose board is lost hides nothing of what the run says."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from cluster.board import progress_bar, shown


class LostBoard:
    """Answers as the handle of an actor whose process is gone."""

    @property
    def row(self) -> Any:
        raise ray.exceptions.RayActorError


def test_a_lost_board_is_no_failure_of_the_run() -> None:
    with progress_bar(LostBoard(), steps=2, name="lauf", selected_by="target_miou"):
        pass
    with (
        pytest.raises(ValueError, match="the run's own"),
        progress_bar(LostBoard(), 2, "lauf", "target_miou"),
    ):
        raise ValueError("the run's own")


def test_the_bar_says_what_chooses_where_no_label_does() -> None:
    row = {"loss/seg": 1.5, "criterion/snd": 3.25, "samples_per_s": 4.0}
    assert shown(row, "criterion/snd") == "seg 1.50 SND 3.250 (no labels) 4.0/s"
    assert shown({**row, "target_miou": 30.0}, "target_miou") == "seg 1.50 mIoU 30.0 4.0/s"
