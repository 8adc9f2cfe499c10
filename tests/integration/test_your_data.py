"""docs/your_data.md, word by word: its ten commands on the images that it draws, by real processes.

Only how long trainings are, and how large their networks, is said from outside.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist.config.override import from_json, override
from advent_dist.experiments.file import experiment_in_file
from advent_dist.runs.folder import RunFolder
from tune.folder import SweepFolder

_REPOSITORY = Path(__file__).parents[2]
_PAGE = (_REPOSITORY / "docs" / "your_data.md").read_text()
_PYTHON = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
_COMMANDS = [
    line
    for block in re.findall(
        r"```\n(.*?)```", re.sub(r"```\w+\n.*?```", "", _PAGE, flags=re.DOTALL), re.DOTALL
    )
    for line in block.replace("\\\n", " ").splitlines()
]

_SMALL = (
    "run.steps=4 optimizer.horizon=4 run.evaluate_every=2 run.checkpoint_every=2 cluster.workers=1 "
    "data.workers_per_rank=0 model.encoder=test_resnet model.weights=none "
    "model.discriminator_width=4"
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all of it was done."""
    folder = tmp_path_factory.mktemp("your data")
    (folder / "make_images.py").write_text(_PYTHON[0], encoding="utf-8")
    for command in ("python make_images.py", *_COMMANDS):
        _shell(command, folder)
    return folder


def _shell(command: str, folder: Path) -> str:
    command = command.replace("python tune/", f"python '{_REPOSITORY}'/tune/")
    environment = {
        **{name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(_REPOSITORY),
        "ADVENT_DIST_SET": _SMALL,
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def test_there_are_ten_commands() -> None:
    ours = [one for one in _COMMANDS if one.startswith(("advent-dist ", "python tune/"))]
    others = [one for one in _COMMANDS if one not in ours]
    assert len(ours) == 10
    assert [one.split()[0] for one in others] == ["sed"], "which is an editor here"
    assert len(_PYTHON) == 1


def test_the_experiment_is_for_the_images(here: Path) -> None:
    made = experiment_in_file(str(here / "houses.py"))
    assert made.data.source_size == made.data.target_size == (96, 64)
    assert made.data.evaluation is None
    kept = from_json((here / "runs" / "houses" / "config.json").read_bytes())
    assert (kept.name, kept.run.steps) == ("houses", 4)


def test_a_run_and_a_sweep_without_any_target_label(here: Path) -> None:
    run = RunFolder.open(str(here / "runs" / "houses"))
    assert [row["step"] for row in run.rows()][-1] == 4
    assert all("target_miou" not in row for row in run.rows())
    assert (here / "runs" / "houses" / "report.html").exists()
    folder = SweepFolder(str(here / "runs" / "sweep-houses"))
    assert len(folder.trials()) == 4
    assert not any(trial.state == "failed" for trial in folder.trials())
    tree = folder.read("sweep.json")
    assert tree is not None
    assert tree["status"] == "finished"
    # What goes on with it needs no houses.py.
    assert f"--experiment {here}/runs/sweep-houses/experiment.json" in (
        tree["resume_command"].replace("'", "")
    )
    given = from_json((here / "runs" / "sweep-houses" / "experiment.json").read_bytes())
    expected = experiment_in_file(str(here / "houses.py"))
    absolute = {"data.root": f"{here}/data", "run.storage": f"{here}/runs"}
    assert given == override(expected, absolute), "wherever it goes on from"


def test_every_photograph_is_predicted(here: Path) -> None:
    photographs = {path.relative_to(here / "photos") for path in (here / "photos").rglob("*.jpg")}
    assert len(photographs) == 60
    for name in photographs:
        predicted = here / "predictions" / name.parent / f"{name.stem}_trainid.png"
        ids = np.asarray(Image.open(predicted))
        assert ids.shape == (64, 96)
        assert ids.max() <= 2, "three classes"
    assert "source_only_seed1234" in (here / "comparison.html").read_text()
    assert (here / "shards.html").exists()
