"""The GPUs of a machine, and whether PyTorch can compute on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from advent_dist.config import Experiment
from cluster.doctor.finding import Finding, failure, ok, warning

_TIMEOUT_S = 60
_BF16_CAPABILITY = 8
"""Compute capability from which on GPUs have bfloat16 units (Ampere)."""

# In a process of its own: a broken driver may hang or abort whoever calls it, and GPUs may be
# hidden from a worker of Ray that asked for none.
_LOOK = """
import json, torch
found = []
for index in range(torch.cuda.device_count()):
    torch.ones(1, device=f"cuda:{index}").add_(1).item()
    one = torch.cuda.get_device_properties(index)
    found.append([one.name, one.total_memory, one.major])
print(json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU that computes."""

    name: str
    """As its driver calls it."""

    memory_bytes: int
    """All of its memory."""

    capability: int
    """Major version of the compute capability."""


@dataclass(frozen=True, kw_only=True)
class Devices:
    """What PyTorch finds on a machine."""

    gpus: tuple[Gpu, ...] = ()
    """Those that compute."""

    error: str = ""
    """Why there are none although there should be, in the driver's words."""


def find_devices() -> Devices:
    """Compute something on every GPU of this machine."""
    environment = {name: value for name, value in os.environ.items() if "VISIBLE" not in name}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _LOOK],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return Devices(error=f"no answer from the GPU driver in {_TIMEOUT_S} s")
    if done.returncode:
        return Devices(error=(done.stderr.strip().splitlines() or ["it was killed"])[-1])
    found = json.loads(done.stdout.splitlines()[-1])
    return Devices(
        gpus=tuple(Gpu(name=n, memory_bytes=memory, capability=c) for n, memory, c in found)
    )


def judge_devices(
    nodes: Mapping[str, Devices],
    announced: Mapping[str, float],
    experiment: Experiment | None,
) -> list[Finding]:
    """Whether the GPUs work, and fit what the experiment asks of them.

    Args:
        nodes: Name of a node -> what it found.
        announced: Name of a node -> GPUs that Ray places work on, where that is known.
        experiment: The run to be; None judges the machines alone.
    """
    findings = [
        found
        for node, devices in nodes.items()
        for found in _judge_node(node, devices, announced.get(node, 0), experiment)
    ]
    kinds = {gpu.name for devices in nodes.values() for gpu in devices.gpus}
    if len(kinds) > 1:
        said = f"GPUs of several kinds: {', '.join(sorted(kinds))}"
        fix = "the slowest sets the pace; use nodes of one kind for a run"
        findings.append(warning("devices", f"{len(nodes)} nodes", said, fix))
    return findings


def _judge_node(
    node: str, devices: Devices, announced: float, experiment: Experiment | None
) -> list[Finding]:
    if devices.error:
        fix = "install the driver that this PyTorch's CUDA needs, or a PyTorch for the CPU"
        return [failure("devices", node, devices.error, fix)]
    if len(devices.gpus) < announced:
        said = f"Ray offers {announced:g} GPUs, but PyTorch finds {len(devices.gpus)}"
        fix = "install a PyTorch with CUDA and its driver there, or start Ray with the true number"
        return [failure("devices", node, said, fix)]
    shown = ", ".join(f"{gpu.name} {gpu.memory_bytes / 2**30:.0f} GiB" for gpu in devices.gpus)
    findings = [ok("devices", node, shown or "CPU")]
    if experiment is None:
        return findings
    if devices.gpus and not experiment.cluster.gpus_per_worker:
        fix = "--cluster.gpus-per-worker auto, with as many workers as there are GPUs"
        findings.append(warning("devices", node, "the run would not use the GPUs", fix))
    old = [gpu.name for gpu in devices.gpus if gpu.capability < _BF16_CAPABILITY]
    if old and experiment.engine.precision == "bf16":
        said = f"{old[0]} computes bf16 slowly"
        findings.append(warning("devices", node, said, "--engine.precision fp32, or newer GPUs"))
    return findings
