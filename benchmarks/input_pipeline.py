"""How fast do labelled samples get from object storage to batches, and in how much memory?

    python benchmarks/input_pipeline.py [--quick] [--json FILE] [--camvid DIR] [--peers]

Each reader is a process of its own that decodes in one further process (or in none where that is
said), from a real S3 server on loopback; rounds of all readers follow each other, and each ratio is
the median over the rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script, it finds its own parts

from benchmarks import pictures
from benchmarks.peers import READERS, python_of
from benchmarks.record import keep
from shards.local_s3 import local_s3

QUESTION = "How fast do labelled samples get from object storage to batches?"
RESULTS = Path(__file__).parent / "results" / "input_pipeline.json"

FULL, TRAINING = (1914, 1052), (1280, 720)
"""Size of GTA5's pictures, and the size that ADVENT trains them at."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is read, and how often."""

    camvid: Path | None = None
    """Folder of CamVid, for photographs; none draws street scenes."""

    peers: bool = False
    """Compare with litdata and mosaicml-streaming, in environments of their own (made once)."""

    environments: Path = Path("build/peers")
    """Folder of those environments."""

    quick: bool = False
    """A fifth of the samples, one round: to see that it works."""

    memory_only: bool = False
    """Measure memory alone, one round; nothing is kept unless --json says where."""

    json: Path | None = None
    """Where the result goes; a full run's default is benchmarks/results/input_pipeline.json."""


@dataclass(kw_only=True)
class Scene:
    """The pictures in all their forms."""

    work: Path
    samples: int
    unresized: int
    rounds: int
    rates: dict[str, list[float]] = field(default_factory=dict)
    first_batch_s: dict[str, list[float]] = field(default_factory=dict)

    def run(self, name: str, command: list[str], python: str = sys.executable) -> list[str]:
        """Run a reader, note its samples a second, and return what else it printed."""
        done = subprocess.run(
            [python, *command], capture_output=True, text=True, check=False, env=_environment()
        )
        if done.returncode:
            raise SystemExit(f"{name} failed:\n{done.stderr}")
        lines = done.stdout.splitlines()
        place = next(i for i, line in enumerate(lines) if line.startswith("{"))
        timing = json.loads(lines[place])
        rate = timing["samples"] / timing["seconds"]
        self.rates.setdefault(name, []).append(rate)
        self.first_batch_s.setdefault(name, []).append(timing["first_batch_s"])
        sys.stderr.write(f"{name:45} {rate:8.1f} samples/s\n")
        return lines[place + 1 :]

    def ours(self, name: str, shards: str, samples: int, *flags: str) -> float:
        """Run ours; the peak of its memory in MB."""
        size = ["--size", *map(str, TRAINING)] if "--size" not in flags else []
        command = _program("ours", shards=shards, samples=samples)
        return float(self.run(name, [*command, *size, *flags])[0])


def _environment() -> dict[str, str]:
    # One thread for each process: two cores are for the reader and the server.
    return {**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}


def main() -> None:
    """Prepare the pictures, run all readers in turn, print the table."""
    options = tyro.cli(Options)
    samples, unresized, rounds = (240, 80, 1) if options.quick else (2400, 200, 3)
    if options.memory_only:
        samples, rounds = 240, 1
    with tempfile.TemporaryDirectory() as folder, local_s3(Path(folder)) as environment:
        os.environ |= environment
        Path(folder, "bench").mkdir()
        scene = Scene(work=Path(folder), samples=samples, unresized=unresized, rounds=rounds)
        prepare(scene, options)
        for _ in range(0 if options.memory_only else rounds):
            speed(scene)
            if options.peers:
                peers(scene, options.environments)
        ratios = {}
        if not options.memory_only:
            ratios |= speed_ratios(scene, options.peers)
            ratios |= resume(scene, 2_000 if options.quick else 20_000)
        ratios |= memory(scene, 64 if options.quick else 1024)
    rows = [
        {"reader": name, "samples_per_s": statistics.median(rates), "all": rates}
        for name, rates in scene.rates.items()
    ]
    part = options.quick or options.memory_only
    out = options.json or (None if part else RESULTS)
    keep(out, question=QUESTION, ratios=ratios, rows=rows)
    print("| reader | samples/s |\n| --- | --- |")
    for row in rows:
        print(f"| {row['reader']} | {row['samples_per_s']:.1f} |")
    print("\n| ratio | |\n| --- | --- |")
    for name, ratio in ratios.items():
        print(f"| {name} | {ratio:.2f} |")


def prepare(scene: Scene, options: Options) -> None:
    """The same pictures as PNG files, as encoded files, and as shards of both sizes."""
    raw = scene.work / "pictures"
    count = 12 if options.quick else 40
    if options.camvid is None:
        pictures.draw(raw, count, FULL)
    else:
        pictures.import_photographs(options.camvid, raw, count, FULL)
    pictures.encode(raw, scene.work / "encoded", TRAINING, scene.samples)
    pictures.encode(raw, scene.work / "unresized", FULL, count)
    encoded = pictures.samples(scene.work / "encoded", scene.samples)
    pictures.write("s3://bench/resized", encoded, 64)
    pictures.write(
        "s3://bench/unresized", pictures.samples(scene.work / "unresized", scene.unresized), 64
    )


FIELD, BARE = "field's practice: PNG, PIL, local disk", "bare decoder, bytes in memory"
COLD, WARM = "ours, from S3", "ours, from the disk cache"
FILLING = "ours, from S3, filling the disk cache"
UNRESIZED = "ours, full-size shards, from S3"


def speed(scene: Scene) -> None:
    """One round of ours, of the field's practice and of the bare decoder."""
    work = scene.work
    bare = _program("bare_decoder", encoded=work / "encoded", samples=scene.samples)
    scene.run(BARE, bare)
    scene.ours(COLD, "s3://bench/resized", scene.samples)
    cache = ("--cache", str(work / "cache"))
    if not (work / "cache").exists():
        scene.ours(FILLING, "s3://bench/resized", scene.samples, *cache)
    scene.ours(WARM, "s3://bench/resized", scene.samples, *cache)
    scene.ours(UNRESIZED, "s3://bench/unresized", scene.unresized)
    count = max(scene.unresized // 4, 20)
    field_practice = _program("field_practice", pictures=work / "pictures", samples=count)
    scene.run(FIELD, [*field_practice, "--size", *map(str, TRAINING)])


def _program(name: str, **flags: object) -> list[str]:
    """The command of one of `pipelines`, without the Python."""
    values = [text for flag, value in flags.items() for text in (f"--{flag}", str(value))]
    return ["-m", f"benchmarks.pipelines.{name}", *values]


def peers(scene: Scene, environments: Path) -> None:
    """One round of each peer: its first epoch, and the same from what it keeps on disk."""
    for name, reader in READERS.items():
        python, url = str(python_of(name, environments)), f"s3://bench/{name}"
        if not (scene.work / "bench" / name).exists():
            write = [python, str(reader), "write", str(scene.work / "encoded"), url]
            subprocess.run(write, check=True, env=_environment(), stdout=subprocess.DEVNULL)
        with tempfile.TemporaryDirectory() as cache:
            read = [str(reader), "read", url, "--workers", "1", "--batch-size", "2"]
            for source in ("S3", "its disk cache"):
                scene.run(f"{name}, from {source}", [*read, "--cache", cache], python)


def speed_ratios(scene: Scene, with_peers: bool) -> dict[str, float]:
    """Ours over each other, as the median over the rounds."""
    pairs = {
        "resized shards / field's practice": (COLD, FIELD),
        "full-size shards / field's practice": (UNRESIZED, FIELD),
        "ours / bare decoder": (COLD, BARE),
    }
    for name in READERS if with_peers else ():
        pairs[f"ours / {name}, from S3"] = (COLD, f"{name}, from S3")
        pairs[f"ours / {name}, from disk"] = (WARM, f"{name}, from its disk cache")
    return {
        name: statistics.median(
            a / b for a, b in zip(scene.rates[one], scene.rates[other], strict=True)
        )
        for name, (one, other) in pairs.items()
    }


def resume(scene: Scene, count: int) -> dict[str, float]:
    """First batch of a run that goes on in the last tenth of an epoch, over that of a fresh one."""
    pictures.write("s3://bench/many", pictures.tiny_samples(count), 8)
    flags = ("--size", "32", "16")
    for _ in range(scene.rounds):
        scene.ours("fresh start, first batch", "s3://bench/many", 4, *flags)
        scene.ours("resumed at 0.95, first batch", "s3://bench/many", 4, *flags, "--begin", "0.95")
    times = [
        scene.first_batch_s[f"{name}, first batch"] for name in ("resumed at 0.95", "fresh start")
    ]
    return {
        "first batch, resumed / fresh": statistics.median(
            a / b for a, b in zip(*times, strict=True)
        )
    }


def memory(scene: Scene, shard_mb: int) -> dict[str, float]:
    """Peak memory of a process that reads one large shard, over one that reads 100 small ones."""
    encoded = scene.work / "encoded"
    per_mb = (
        len(list(encoded.glob("*"))) / 2 / sum(p.stat().st_size for p in encoded.iterdir()) * 1e6
    )
    count = int(shard_mb * per_mb)
    pictures.write("s3://bench/one", pictures.samples(encoded, count), shard_mb * 2)
    pictures.write("s3://bench/hundred", pictures.samples(encoded, count), shard_mb / 100)
    peaks: dict[str, list[float]] = {"one": [], "hundred": []}
    for _ in range(min(scene.rounds, 3)):
        for name, peak in peaks.items():
            reader = f"ours, {name} shard(s), in one process"
            peak.append(scene.ours(reader, f"s3://bench/{name}", count // 2, "--workers", "0"))
    sys.stderr.write(f"peak memory in MB: {peaks}\n")
    return {
        "peak memory, one shard / 100 shards": statistics.median(peaks["one"])
        / statistics.median(peaks["hundred"])
    }


if __name__ == "__main__":
    main()
