"""A training step and an evaluation on shapes alone: what a network does not take is told at once.

PyTorch's meta device goes through every layer without numbers and without memory, so that the size
of the images costs nothing. Networks of timm are many, and not all take any size or a single image.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import torch

from advent_dist.config import DataConfig, Experiment, ModelConfig, Size
from advent_dist.errors import ConfigError
from advent_dist.methods import METHODS
from advent_dist.models.adapters import bypassed
from advent_dist.models.discriminator import Discriminator
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.models.taken import Taken
from advent_dist.models.weights import load_weights

_MULTIPLES = (8, 16, 32, 64, 128, 256)
"""Of pixels: sizes that are tried where another one fails, the nearest first."""

_BATCHES = (2, 4)
"""Batch sizes that are tried where a smaller one fails."""


def rehearse(experiment: Experiment, num_classes: int) -> None:
    """Take an experiment's sizes and batches through its networks, forward and backward.

    Args:
        experiment: The whole config.
        num_classes: C.

    Raises:
        ConfigError: the encoder can't be built, or a network does not take such images; names the
            encoder, the size and, if there is one nearby, a size or a batch that it takes.
    """
    model, data = experiment.segmenter, experiment.data
    # The paper's network takes any size.
    if model.encoder != "deeplab_v2":
        _rehearse_segmenter(_without_numbers(model, num_classes), model.encoder, data)
    if "discriminators" in METHODS[experiment.method.name].needs:
        with torch.device("meta"):
            discriminator = Discriminator(num_classes, width=1)
            for width, height in _training_sizes(data):
                discriminator(torch.empty(1, num_classes, height, width))
    if experiment.engine.activation_checkpointing:
        _without_numbers(model, num_classes).enable_activation_checkpointing()


def rehearse_weights(experiment: Experiment, num_classes: int) -> Taken:
    """Read the initial weights and see whether they fit.

    Returns:
        What a run will take of them.

    Raises:
        ConfigError: there is no such file or package.
        CheckpointError: the file holds no weights, or not those of this network.
    """
    segmenter = _without_numbers(experiment.segmenter, num_classes)
    with warnings.catch_warnings():
        # PyTorch warns that nothing is copied.
        warnings.simplefilter("ignore")
        return load_weights(segmenter, str(experiment.segmenter.weights))


def _rehearse_segmenter(segmenter: Segmenter, encoder: str, data: DataConfig) -> None:
    batch = data.batch_size_per_rank
    for size, fields in _training_sizes(data).items():
        why = _fails(segmenter, size, batch)
        if not why:
            continue
        larger = [more for more in _BATCHES if more > batch and not _fails(segmenter, size, more)]
        if larger:
            raise ConfigError(
                f"model.encoder = {encoder!r}: it can't train on batches of {batch} "
                f"(data.batch_size_per_rank), where its normalisation sees one value a channel "
                f"({why}); give batches of {larger[0]} or more, or another encoder such as resnet50"
            )
        raise _wrong_size(segmenter, encoder, size, fields, batch, why)
    if idle := bypassed(segmenter):
        raise ConfigError(
            f"model.lora.targets: {encoder} reads the weights of {idle[0]} and does not call it, "
            f"so that its adapter would do nothing; leave {idle[0].rpartition('.')[2]} out"
        )
    size, field = data.evaluation_size, "data.evaluation_size"
    if data.evaluation_window is not None:
        size, field = data.evaluation_window, "data.evaluation_window"
    if why := _fails(segmenter, size, None):
        raise _wrong_size(segmenter, encoder, size, field, None, why)


def _wrong_size(
    segmenter: Segmenter, encoder: str, size: Size, fields: str, batch: int | None, why: str
) -> ConfigError:
    width, height = size
    others = (other for other in _nearby(size) if not _fails(segmenter, other, batch))
    fix = "choose another encoder such as resnet50 or convnext_tiny"
    if other := next(others, None):
        fix = f"give {other[0]}x{other[1]}, which it takes, or {fix}"
    return ConfigError(
        f"model.encoder = {encoder!r}: it does not take images of {width}x{height} pixels "
        f"({fields}), since its layers no longer fit each other ({why}); {fix}"
    )


def _training_sizes(data: DataConfig) -> dict[Size, str]:
    """Width and height of what is trained on -> the fields that say so."""
    if data.augment.crop is not None:
        return {data.augment.crop: "data.augment.crop"}
    if data.source_size == data.target_size:
        return {data.source_size: "data.source_size, data.target_size"}
    return {data.source_size: "data.source_size", data.target_size: "data.target_size"}


def _nearby(size: Size) -> Iterator[Size]:
    """Sizes of more even numbers, none smaller."""
    for multiple in _MULTIPLES:
        width, height = (-(-side // multiple) * multiple for side in size)
        yield width, height


def _without_numbers(model: ModelConfig, num_classes: int) -> Segmenter:
    plain = replace(model, pretrained=False, weights=None)
    try:
        with torch.device("meta"):
            return build_segmenter(plain, num_classes)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"model.encoder = {model.encoder!r}: timm can't build it ({_said(error)}); choose "
            "another encoder such as resnet50 or convnext_tiny"
        ) from error


def _fails(segmenter: Segmenter, size: Size, batch: int | None) -> str:
    """Why a training step on a batch fails, or an evaluation where there is none; or nothing."""
    width, height = size
    segmenter.train(batch is not None)
    images = torch.empty(batch or 1, 3, height, width, dtype=torch.uint8, device="meta")
    try:
        # Some networks make tensors of their own as they go.
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if batch is None:
                with torch.no_grad():
                    segmenter(images)
            else:
                output = segmenter(images)
                heads = [logits for logits in (output.aux, output.main) if logits is not None]
                torch.stack([logits.sum() for logits in heads]).sum().backward()  # type: ignore[no-untyped-call]
    except Exception as error:
        # Each network fails in its own way. What asks for numbers is not known to fail.
        return "" if _asks_for_numbers(error) else _said(error)
    return ""


def _asks_for_numbers(error: Exception) -> bool:
    return isinstance(error, NotImplementedError) or "meta" in str(error)


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
