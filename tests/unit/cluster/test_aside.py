from __future__ import annotations

import logging

import pytest

from cluster.aside import Aside


def test_a_failure_is_logged_once_a_kind_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    aside = Aside()
    with caplog.at_level(logging.WARNING):
        for what in ("curves", "curves", "gauges"):
            with aside(what):
                raise OSError("no space left")
    assert [record.getMessage() for record in caplog.records] == [
        "the run goes on without curves: OSError: no space left",
        "the run goes on without gauges: OSError: no space left",
    ]


def test_an_interruption_is_no_failure() -> None:
    with pytest.raises(KeyboardInterrupt), Aside()("curves"):
        raise KeyboardInterrupt
