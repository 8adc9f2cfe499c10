"""MLflow beside a sweep: refused before it starts, endured once it runs."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest

from advent_dist.errors import ConfigError
from tune.tracking import MLflowRuns, why_unreachable


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:1", "sqlite:////dev/null/mlflow.db", "nothing://of-the-kind"]
)
def test_an_address_where_nobody_is(uri: str) -> None:
    start = time.monotonic()
    with pytest.raises(ConfigError, match=f"--mlflow {uri}: .*correct the address") as error:
        MLflowRuns(uri, "sweep").begin()
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 30


def test_a_server_that_answers_is_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        said = why_unreachable(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert said == ""


def test_a_server_that_goes_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = tmp_path / "mlflow.db"
    runs = MLflowRuns(f"sqlite:///{database}", "läufe")
    runs.begin()
    runs.setup()
    client = mlflow.MlflowClient(f"sqlite:///{database}")
    assert client.get_experiment_by_name("läufe") is not None
    trial = SimpleNamespace(config={"number": 0})
    # It never heard of the run, as after a loss of its own.
    runs.log_trial_result(1, trial, {"training_iteration": 1, "score": 0.5})
    runs.log_trial_end(trial)
    assert [record.getMessage()[:27] for record in caplog.records if "without" in record.msg] == [
        "the run goes on without MLf"
    ]
