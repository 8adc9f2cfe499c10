"""A progress bar whose board is lost hides nothing of what the run says."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from cluster.board import progress_bar


class LostBoard:
    """Answers as the handle of an actor whose process is gone."""

    @property
    def row(self) -> Any:
        raise ray.exceptions.RayActorError


def test_a_lost_board_is_no_failure_of_the_run() -> None:
    with progress_bar(LostBoard(), steps=2, name="lauf"):
        pass
    with pytest.raises(ValueError, match="the run's own"), progress_bar(LostBoard(), 2, "lauf"):
        raise ValueError("the run's own")
