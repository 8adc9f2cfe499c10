"""Optimiser, ZeRO and world size: combinations that work, but not as one might hope."""

from __future__ import annotations

from advent_dist.config import Experiment
from cluster.doctor.finding import Finding, ok, warning

_CHECK = "engine"


def judge_engine(experiment: Experiment) -> list[Finding]:
    """What the engine's config means for this run. What can't work is refused by the config."""
    engine, workers = experiment.engine, experiment.cluster.workers
    zero = f"engine.zero_stage = {engine.zero_stage}"
    where = f"{engine.kind}, {experiment.optimizer.segmenter}, ZeRO {engine.zero_stage}"
    findings = []
    if engine.zero_stage and workers == 1:
        said = f"{zero} with a single worker shards nothing"
        findings.append(warning(_CHECK, where, said, "--engine.zero-stage 0, or more workers"))
    if engine.discriminator_zero_stage:
        said = f"engine.discriminator_zero_stage = {engine.discriminator_zero_stage}: traffic only"
        fix = "--engine.discriminator-zero-stage 0: 2.8 million parameters need no sharding"
        findings.append(warning(_CHECK, where, said, fix))
    if engine.kind == "local" and workers > 1:
        said = "engine.kind = 'local' is the reference for tests"
        findings.append(warning(_CHECK, where, said, "--engine.kind deepspeed for real runs"))
    if engine.precision == "bf16" and not experiment.cluster.gpus_per_worker:
        said = "bf16 on CPUs is slower than fp32 unless they have units for it"
        findings.append(warning(_CHECK, where, said, "--engine.precision fp32"))
    return findings or [ok(_CHECK, where, f"fits {workers} workers")]
