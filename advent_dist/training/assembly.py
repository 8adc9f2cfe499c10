"""From a config to networks, engines and a method."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from advent_dist.config import Experiment, VFMUDAPlusPlusConfig
from advent_dist.methods import METHODS
from advent_dist.methods.base import Method
from advent_dist.methods.frozen import Frozen
from advent_dist.methods.parts import Parts
from advent_dist.models.distillation_head import DistillationHead
from advent_dist.models.extractor import build_extractor
from advent_dist.models.network import SingleScale
from advent_dist.models.segmenter import Segmenter
from advent_dist.parallel.average import Average
from advent_dist.parallel.engine import Engine
from advent_dist.parallel.local import LocalEngine
from advent_dist.parallel.world import World
from advent_dist.training.compilation import compile_network
from advent_dist.training.optimizers import discriminator_optimizer, head_optimizer
from advent_dist.training.tasks import task_of

Network = TypeVar("Network", bound=nn.Module)


def build_method(experiment: Experiment, world: World, source_prior: Tensor) -> Method[Any]:
    """The experiment's method with freshly initialised networks, the same on all ranks. Collective.

    Args:
        experiment: The whole config.
        world: This rank.
        source_prior: The source's class frequencies, float32 [C], summing to 1; the networks get as
            many classes.
    """
    torch.manual_seed(experiment.run.seed)
    num_classes = len(source_prior)
    task = task_of(experiment)
    network = task.build(num_classes).to(world.device)
    if experiment.engine.activation_checkpointing:
        network.enable_activation_checkpointing(experiment.engine.recomputed)
    network.train()
    method = METHODS[experiment.method.name]
    stage = experiment.engine.zero_stage
    # Before an engine cuts the network's parameters into pieces.
    copies = {
        need: _copy(network, stage) for need in ("teacher", "initial") if need in method.needs
    }
    optimizer = task.optimizer(network, experiment.optimizer)
    engines: dict[str, Engine] = {
        experiment.network: make_engine(network, optimizer, experiment, world, stage)
    }
    if "discriminators" in method.needs:
        stage = experiment.engine.discriminator_zero_stage
        for name, discriminator in task.discriminators(network, num_classes):
            discriminator.to(world.device)
            optimizer = discriminator_optimizer(discriminator.parameters(), experiment.optimizer)
            engines[name] = make_engine(discriminator, optimizer, experiment, world, stage)
    initial = copies.get("initial")
    assert initial is None or isinstance(initial, Segmenter), "no detector's method needs it"
    extractor = None
    if isinstance(experiment.method, VFMUDAPlusPlusConfig):
        extractor = build_extractor(experiment.method).to(world.device)
        head = DistillationHead(_channels(network), _channels(extractor)).to(world.device)
        optimizer = head_optimizer(head.parameters(), experiment.optimizer)
        stage = experiment.engine.zero_stage
        engines["distillation"] = make_engine(head, optimizer, experiment, world, stage)
    if experiment.engine.compile:
        trained = [engine.module for engine in engines.values()]
        for one in (*trained, *copies.values(), *([] if extractor is None else [extractor])):
            compile_network(one)
    # From here on ranks may draw differently (dropout, stochastic depth).
    torch.manual_seed(experiment.run.seed + world.rank)
    parts = Parts(
        engines=engines,
        source_prior=source_prior.to(world.device),
        world=world,
        teacher=Average(copies["teacher"], experiment.engine, world)
        if "teacher" in copies
        else None,
        initial=None if initial is None else Frozen(initial, experiment.engine, world),
        extractor=None if extractor is None else Frozen(extractor, experiment.engine, world),
    )
    return method(experiment.method, parts)


def _copy(network: Network, stage: int) -> Network:
    """The same network again, but what nothing trains is in memory once, where it stays whole."""
    shared = () if stage == 3 else (p for p in network.parameters() if not p.requires_grad)
    return copy.deepcopy(network, {id(parameter): parameter for parameter in shared})


def _channels(segmenter: nn.Module) -> int:
    assert isinstance(segmenter, Segmenter)
    assert isinstance(segmenter.network, SingleScale), "the method has no detail"
    return segmenter.network.channels


def make_engine(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    experiment: Experiment,
    world: World,
    stage: int,
) -> Engine:
    """The engine that `experiment.engine.kind` names. Collective."""
    if experiment.engine.kind == "local":
        return LocalEngine(module, optimizer, experiment.engine, world)
    from advent_dist.parallel.deepspeed import DeepSpeedEngine  # half a second of imports

    return DeepSpeedEngine(
        module,
        optimizer,
        experiment.engine,
        world,
        stage=stage,
        batch_size_per_rank=experiment.data.batch_size_per_rank,
    )
