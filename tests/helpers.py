"""What several tests share: ranks as forked processes, and a tiny experiment."""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import torch
import torch.distributed as dist

from advent_dist.config import Experiment
from advent_dist.config.methods import DETAILED, MIXING
from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.parallel.world import World
from advent_dist.types import IGNORE_INDEX, DomainBatch
from tests.shard_helpers import examples, write_shards

TIMEOUT_S = 120
_PRELOADED = [
    __name__,
    "advent_dist.parallel.deepspeed",
    "advent_dist.training.rank",
    "deepspeed.runtime.zero.muon.muon_optimizer",
    "peft",
    "pytest",
    "torch._dynamo",
]
"""What takes seconds to import, and a rank does: DeepSpeed would import two of them in each."""


def run_ranks(function: Callable[..., Any], world_size: int, *arguments: Any) -> list[Any]:
    """What `function(world, *arguments)` returns on each of `world_size` gloo ranks.

    The ranks end after `TIMEOUT_S`. They are forked, so that they need not import PyTorch and
    DeepSpeed again, but from a server that has no other thread: Ray's threads, which this process
    may have, free memory while a fork copies it page by page, and a rank's heap may be broken.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pipes, ranks = [], []
    for rank in range(world_size):
        ours, theirs = context.Pipe(duplex=False)
        rank_arguments = (theirs, function, rank, world_size, port, arguments)
        ranks.append(context.Process(target=_rank, args=rank_arguments, daemon=True))
        ranks[-1].start()
        theirs.close()
        pipes.append(ours)
    try:
        results = []
        for rank, pipe in enumerate(pipes):
            assert pipe.poll(TIMEOUT_S), f"rank {rank} is silent after {TIMEOUT_S} s"
            try:
                failure, result = torch.load(BytesIO(pipe.recv_bytes()), weights_only=False)
            except EOFError:
                raise AssertionError(f"rank {rank} died") from None
            assert failure is None, f"rank {rank}:\n{failure}"
            results.append(result)
        return results
    finally:
        for process in ranks:
            process.kill()
            process.join()


def _rank(
    pipe: Any, function: Callable[..., Any], rank: int, size: int, port: int, arguments: Any
) -> None:
    faulthandler.dump_traceback_later(TIMEOUT_S - 10, exit=True)
    # What was there before the fork is no garbage; ZeRO 3 looks for some at each start.
    gc.freeze()
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    try:
        dist.init_process_group("gloo", timeout=timedelta(seconds=60))
        result = function(World(rank=rank, size=size), *arguments)
        dist.barrier()
        _send(pipe, None, result)
    except BaseException:
        _send(pipe, traceback.format_exc(), None)
    finally:
        # Not through the interpreter's exit, which would run the parent's handlers.
        os._exit(0)


def _send(pipe: Any, failure: str | None, result: Any) -> None:
    # By value: a tensor sent as it is would be shared memory of a process that is about to end.
    data = BytesIO()
    torch.save((failure, result), data)
    pipe.send_bytes(data.getvalue())


def tiny_experiment(name: str) -> Experiment:
    """An experiment with networks and images small enough for a test."""
    chosen = experiment(name)
    mixes = isinstance(chosen.method, MIXING)
    detailed = {"model.detail_crop": (32, 32)} if isinstance(chosen.method, DETAILED) else {}
    return override(
        chosen,
        {
            "model.encoder": "test_resnet",
            "model.weights": None,
            "model.discriminator_width": 4,
            "data.source_size": (64, 64),
            "data.target_size": (64, 64) if mixes else (96, 64),
            "data.evaluation_size": (64, 64),
            "optimizer.segmenter_lr": 1e-3,
            **detailed,
        },
    )


def random_batch(seed: int, num_classes: int = 19) -> DomainBatch:
    """Noise in the shapes of `tiny_experiment`; the same for the same seed."""
    random = torch.Generator().manual_seed(seed)
    label = torch.randint(0, num_classes + 1, (2, 64, 64), generator=random, dtype=torch.uint8)
    label[label == num_classes] = IGNORE_INDEX
    return DomainBatch(
        source_image=torch.randint(0, 256, (2, 3, 64, 64), generator=random, dtype=torch.uint8),
        source_label=label,
        target_image=torch.randint(0, 256, (2, 3, 64, 96), generator=random, dtype=torch.uint8),
        source_keys=(f"s{seed}a", f"s{seed}b"),
        target_keys=(f"t{seed}a", f"t{seed}b"),
    )


def write_tiny_shards(root: str, *, num_samples: int = 10) -> None:
    """The folders that `tiny_run` reads: noise in CamVid's classes."""
    for number, (name, labelled) in enumerate(
        (("source", True), ("target", False), ("evaluation", True))
    ):
        samples = examples(num_samples + number, size=(64, 64), prefix=name[0])
        write_shards(f"{root}/{name}", samples, labelled=labelled)


def tiny_run(root: str, storage: str, **changes: Any) -> Experiment:
    """A run of seconds on `write_tiny_shards(root)`, two workers; `changes` have `__` for dots."""
    return override(
        tiny_experiment("camvid_day_dusk_advent"),
        {
            "data.root": root,
            "data.source": "source",
            "data.target": "target",
            "data.evaluation": "evaluation",
            "data.held_out": None,
            "data.workers_per_rank": 0,
            "data.target_size": (64, 64),
            "run.storage": storage,
            "run.steps": 4,
            "run.report_every": 1,
            "run.evaluate_every": 2,
            "run.checkpoint_every": 2,
            **{name.replace("__", "."): value for name, value in changes.items()},
        },
    )
