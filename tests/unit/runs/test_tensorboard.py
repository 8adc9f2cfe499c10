from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.summary.writer import event_file_writer

from advent_dist.data.store import open_folder
from advent_dist.runs.tensorboard import EventLog


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_rows_become_scalars(tmp_path: Path) -> None:
    log = EventLog(open_folder(str(tmp_path)), purge_step=10)
    log.append({"step": 10, "loss/seg": 0.5})
    log.append({"step": 20, "loss/seg": 0.25, "target_miou": 12.5})
    # Readable before the end: a run may die.
    assert _scalars(tmp_path) == {
        "loss/seg": [(10, 0.5), (20, 0.25)],
        "target_miou": [(20, 12.5)],
    }
    log.close()


def test_object_storage_gets_the_rows_and_the_local_disk_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run = open_folder("memory://events/run")
    log = EventLog(run, purge_step=0)
    log.append({"step": 10, "loss/seg": 0.5})
    log.close()
    assert len(open_folder("memory://events/run/tensorboard").list()) == 1
    assert list(tmp_path.iterdir()) == []


def test_hyperparameters_stand_beside_the_metrics(tmp_path: Path) -> None:
    log = EventLog(open_folder(str(tmp_path)), purge_step=1)
    log.describe(
        {"method.lambda_adv": 0.25, "model.encoder": "test_resnet"}, ("target_miou", "score")
    )
    log.append({"step": 1, "target_miou": 12.5})
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    start = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    said = HParamsPluginData.FromString(start).session_start_info.hparams
    assert said["method.lambda_adv"].number_value == 0.25
    assert said["model.encoder"].string_value == "test_resnet"
    assert "_hparams_/experiment" in events.summary_metadata


def test_sentences_are_among_the_texts(tmp_path: Path) -> None:
    log = EventLog(open_folder(str(tmp_path)), purge_step=0)
    log.note("best checkpoint", "by mean entropy (no target label was used)")
    log.append({"step": 1, "loss/seg": 0.5})
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    (text,) = events.Tensors("best checkpoint/text_summary")
    assert b"no target label was used" in text.tensor_proto.string_val[0]


def test_a_resumed_run_replaces_what_it_does_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # TensorBoard reads files in the order of their names: the second, the host, the process and
    # a number without leading zeros. No run is resumed within the second in which it began.
    seconds = itertools.count(1_000_000_000)
    monkeypatch.setattr(event_file_writer, "time", SimpleNamespace(time=lambda: next(seconds)))
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(9))
    first = EventLog(open_folder(str(tmp_path)), purge_step=1)
    for step in (1, 2, 3, 4):
        first.append({"step": step, "loss/seg": 1.0})
    first.close()
    second = EventLog(open_folder(str(tmp_path)), purge_step=3)
    second.append({"step": 3, "loss/seg": 0.5})
    second.close()
    assert _scalars(tmp_path)["loss/seg"] == [(1, 1.0), (2, 1.0), (3, 0.5)]
