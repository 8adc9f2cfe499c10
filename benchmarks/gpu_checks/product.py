"""`advent-dist train` on Ray, whose worker has a GPU or none."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors import safe_open

from advent_dist.config.override import to_json
from advent_dist.parallel.world import World
from benchmarks.gpu_checks.found import Found
from tests.helpers import tiny_run, write_tiny_shards


def on_a_gpu(world: World, scale: float) -> Found:
    """With a GPU for the worker."""
    return _trained(gpus=1)


def on_the_cpu(world: World, scale: float) -> Found:
    """Without one, whatever the machine has."""
    return _trained(gpus=0)


def _trained(gpus: int) -> Found:
    """Train two steps, go on for two more, look at it, export it; by the command line alone."""
    with tempfile.TemporaryDirectory() as folder:
        shards, runs = f"{folder}/shards", f"{folder}/runs"
        write_tiny_shards(shards)
        chosen = tiny_run(
            shards,
            runs,
            run__name="run",
            run__steps=2,
            cluster__workers=1,
            cluster__gpus_per_worker=gpus,
        )
        config, run = Path(folder, "config.json"), Path(runs, "run")
        config.write_text(to_json(chosen))
        said = _command("train", "--config", str(config))
        expected = "trains on GPUs, 1 for each" if gpus else "trains on CPUs"
        assert expected in said, said
        _command("train", "--config", f"{run}/config.json", "--resume", "--run.steps=4")
        steps = [path.name for path in sorted((run / "checkpoints").iterdir())]
        assert steps[-1] == "step_000004", steps
        computed = _device(run / "checkpoints" / steps[-1])
        assert computed == ("cuda" if gpus else "cpu"), f"the worker computed on {computed}"
        _command("status", str(run))
        _command("export", str(run), "--to", f"{folder}/exported")
        files = len(list(Path(folder, "exported").iterdir()))
    return Found(
        said=f"{gpus} GPUs a worker, which computed on {computed}; resumed, {files} files exported",
        numbers={"gpus_per_worker": gpus, "computed_on": computed, "files_exported": files},
    )


def _device(checkpoint: Path) -> str:
    """Where the worker computed: a checkpoint has the state of that device's generator."""
    with safe_open(checkpoint / "rank_00000.safetensors", "pt") as file:
        return "cuda" if "random/cuda" in file.keys() else "cpu"  # noqa: SIM118


def _command(*arguments: str) -> str:
    """What a command of the product says on its way."""
    done = subprocess.run(
        [sys.executable, "-m", "advent_dist", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"advent-dist {arguments[0]} failed: {done.stderr[-2000:]}"
    return done.stderr
