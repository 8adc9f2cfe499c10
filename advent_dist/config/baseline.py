"""The training that tells what an adaptation is worth: the same without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from advent_dist.config.experiment import Experiment
from advent_dist.config.methods.baseline import baseline_of
from advent_dist.config.model import ModelConfig
from advent_dist.config.override import leaves, override

_TERMS: Mapping[str, tuple[str, ...] | None] = {
    "data": (
        "source",
        "labels",
        "source_size",
        "evaluation_size",
        "rare_class_temperature",
        "augment",
    ),
    "model": None,
    "method": None,
    "optimizer": None,
    "engine": ("precision",),
    "run": ("steps",),
}
"""Section -> the fields in it that a comparison has to hold fixed; None is all of them."""

_OF_DISCRIMINATORS = "discriminator_"


def without_adaptation(experiment: Experiment) -> Experiment:
    """Source-only training, with all else as it is: network, losses of the source, images, steps.

    What only adaptation makes use of goes as well: HRDA's windows of detail, the token of what is
    hidden, FDA's spectra of target images.
    """
    model = experiment.model
    if isinstance(model, ModelConfig):
        model = replace(model, detail_crop=None, mask_token=False)
    augment = replace(experiment.data.augment, fda_beta=0.0)
    return replace(
        experiment,
        method=baseline_of(experiment.method),
        model=model,
        data=replace(experiment.data, augment=augment),
    )


def name_without_adaptation(name: str) -> str:
    """What that training is called, beside the one that is called `name`, or where it lies."""
    return f"{name}_source_only"


def is_adapted(experiment: Experiment) -> bool:
    """Whether anything of the target reaches the weights."""
    return without_adaptation(experiment) != experiment


def shared_values(experiment: Experiment, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those values that training without adaptation makes use of as well.

    Args:
        experiment: What they are values of.
        values: Dotted path -> value.
    """
    adapted = override(experiment, values)
    before, after = (dict(leaves(asdict(one))) for one in (adapted, without_adaptation(adapted)))
    return {
        path: value
        for path, value in values.items()
        if path in after and after[path] == before[path] and _OF_DISCRIMINATORS not in path
    }


def other_terms(experiment: Experiment, baseline: Experiment) -> list[str]:
    """Dotted names of the fields in which two trainings differ for another reason than adaptation.

    Args:
        experiment: An adapted training.
        baseline: One without adaptation.
    """
    ours, theirs = dict(_terms(without_adaptation(experiment))), dict(_terms(baseline))
    return [name for name in ours | theirs if ours.get(name) != theirs.get(name)]


def _terms(experiment: Experiment) -> Iterator[tuple[str, Any]]:
    for path, value in leaves(asdict(experiment)):
        section, _, field = path.partition(".")
        names = _TERMS.get(section, ())
        counts = names is None or field.split(".")[0] in names
        if counts and not field.startswith(_OF_DISCRIMINATORS):
            yield path, value
    batch = experiment.run.global_batch_size
    if batch is None:
        batch = experiment.data.batch_size_per_rank * experiment.cluster.workers
        batch *= experiment.engine.gradient_accumulation_steps
    yield "run.global_batch_size", batch
