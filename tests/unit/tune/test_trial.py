"""What a failed trial's record says."""

from __future__ import annotations

import pytest
from ray.exceptions import OutOfMemoryError, RayActorError

from advent_dist.errors import DivergedError
from tune.trial import message_of


@pytest.mark.parametrize("error", [RayActorError(), OutOfMemoryError("95 % of the node is used")])
def test_a_process_that_ended_is_a_death_whoever_ended_it(error: Exception) -> None:
    assert message_of(error) == "a worker died more often than --max-failures allows"


def test_a_users_mistake_is_told_as_it_is_and_anything_else_with_its_type() -> None:
    assert message_of(DivergedError("loss/seg is nan at step 3")) == "loss/seg is nan at step 3"
    assert message_of(KeyError("scores")) == "KeyError: 'scores'"
