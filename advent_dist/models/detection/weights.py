"""Initial weights of a detector: of a whole one, or of the classifier that its backbone was."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torchvision.models.detection.ssd import SSDFeatureExtractorVGG

from advent_dist.errors import CheckpointError
from advent_dist.models.detector import Detector
from advent_dist.models.layouts import left_over
from advent_dist.models.segmenter import Normalise
from advent_dist.models.state_dicts import (
    StateDict,
    read_state_dict,
    without_counters,
    without_prefix,
)
from advent_dist.models.taken import LeftOver, Taken, TakenPart
from advent_dist.models.weights import find_weights

_PARTS = {
    "backbone": "backbone.",
    "class head": "head.classification_head.",
    "box head": "head.regression_head.",
}
"""Part -> what its tensors' names begin with."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels in 0..1, by which torchvision's classifiers see them."""

_VGG_SPLIT = 23
"""The first of VGG-16's layers behind the map that boxes are looked for in first: a pooling."""

_MOBILENET_SPLIT = 13
"""Of MobileNetV3-Large's blocks the one whose first layer gives that map."""


class _Layout(NamedTuple):
    """A file's tensors by the detector's names."""

    title: str
    """Whose names of tensors it has."""

    tensors: StateDict
    """What is meant for the detector."""

    left_over: list[LeftOver]
    """The rest."""


def load_detector_weights(detector: Detector, weights: str) -> Taken:
    """Load initial weights into `detector`, in place.

    A file may hold a whole detector, of this project or as torchvision publishes it; or an ImageNet
    classifier of torchvision, VGG-16 or MobileNetV3-Large, which becomes the backbone; or VGG-16
    with fc6 and fc7 as convolutions, which SSDs are usually trained from (`vgg16_reducedfc`). What
    has another shape in the file, such as class logits of another number of classes, starts at
    random.

    Args:
        detector: on any device, not yet given to an engine.
        weights: see `weights.load_weights`.

    Returns:
        What was taken and what was not.

    Raises:
        ConfigError: there is no such file or package.
        CheckpointError: the file is of another network; names the file, a tensor and the fix.
    """
    path = find_weights(weights)
    state_dict = read_state_dict(path)
    try:
        return take(detector, state_dict, str(path))
    except CheckpointError as error:
        raise CheckpointError(f"model.weights = {weights!r}: {path}: {error}") from None


@torch.no_grad()
def take(detector: Detector, state_dict: StateDict, file: str) -> Taken:
    """Load tensors into `detector`, in place; see `load_detector_weights`.

    Args:
        detector: on any device, not yet given to an engine.
        state_dict: the tensors.
        file: where they are from.

    Raises:
        CheckpointError: they are of another network, and nothing is loaded.
    """
    layout = _layout_of(without_prefix(state_dict, "module."), detector)
    wanted = detector.state_dict()
    given = layout.tensors
    _require_first_map(detector.backbone, given, wanted, layout.title)
    fits = {n: t for n, t in given.items() if n in wanted and t.shape == wanted[n].shape}
    unknown = {name: tensor for name, tensor in given.items() if name not in wanted}
    rest = layout.left_over + left_over(unknown, "", "has no place in this detector")
    rows = []
    for part, prefix in _PARTS.items():
        names = [name for name in without_counters(wanted) if name.startswith(prefix)]
        taken = [name for name in names if name in fits]
        said = _said(given, wanted, names, taken)
        rows.append(TakenPart(part=part, taken=len(taken), wanted=len(names), said=said))
    for name, tensor in fits.items():
        wanted[name].copy_(tensor)
    return Taken(
        file=file,
        layout=layout.title,
        parts=tuple(rows),
        left_over=tuple(rest),
        network="detector",
    )


def _layout_of(state_dict: StateDict, detector: Detector) -> _Layout:
    """Bring a file's tensors under the detector's names."""
    if any(name.startswith("backbone.") for name in state_dict):
        return _Layout("a detector, as torchvision names it", state_dict, [])
    if "31.weight" in state_dict:
        return _renamed("VGG-16 with fc6 and fc7 as convolutions", state_dict, _of_reduced_vgg)
    if not isinstance(detector.backbone, SSDFeatureExtractorVGG):
        return _renamed("a classifier, as torchvision names it", state_dict, _of_mobilenet)
    layout = _renamed("a classifier, as torchvision names it", state_dict, _of_vgg)
    return _for_pixels(layout, detector.normalise) if _classifies(state_dict) else layout


def _classifies(state_dict: StateDict) -> bool:
    """Whether a VGG-16 is torchvision's own; the one made for SSD has a classifier of nan."""
    last = state_dict.get("classifier.6.weight")
    return last is not None and bool(last.isfinite().all())


def _for_pixels(layout: _Layout, normalise: Normalise) -> _Layout:
    """A VGG-16 of images with ImageNet's mean and deviation, for those that SSD-300 sees.

    With y what the detector's normalisation makes of a pixel, the file's network was trained on
    (y * std + mean - m) / s: the first layer takes that over, but for the border's padding.
    """
    names = [f"backbone.features.0.{kind}" for kind in ("weight", "bias")]
    title = f"{layout.title}; its first layer takes pixels as SSD's"
    # On PyTorch's meta device there are no numbers to change.
    if normalise.mean.is_meta or any(name not in layout.tensors for name in names):
        return layout._replace(title=title)
    weight, bias = (layout.tensors[name].float() for name in names)
    std, mean = normalise.std.view(3).to(weight.device), normalise.mean.view(3).to(weight.device)
    m, s = (torch.tensor(values, device=weight.device) for values in (_MEAN, _STD))
    shift = (weight * ((mean - m) / s).view(1, 3, 1, 1)).sum((1, 2, 3))
    first = dict(zip(names, (weight * (std / s).view(1, 3, 1, 1), bias + shift), strict=True))
    return layout._replace(title=title, tensors={**layout.tensors, **first})


def _renamed(title: str, state_dict: StateDict, rename: Callable[[str], str | None]) -> _Layout:
    names = {name: rename(name) for name in state_dict}
    tensors = {new: state_dict[name] for name, new in names.items() if new is not None}
    rest = {name: state_dict[name] for name, new in names.items() if new is None}
    return _Layout(title, tensors, left_over(rest, "", "has no counterpart in a detector"))


def _of_vgg(name: str) -> str | None:
    """`features.0.weight` of a VGG-16."""
    head, _, rest = name.partition(".")
    place, _, kind = rest.partition(".")
    if head != "features" or not place.isdecimal():
        return None
    number = int(place)
    if number < _VGG_SPLIT:
        return f"backbone.features.{number}.{kind}"
    return f"backbone.extra.0.{number - _VGG_SPLIT}.{kind}"


def _of_reduced_vgg(name: str) -> str | None:
    """`0.weight` of VGG-16's layers in a row, with fc6 and fc7 behind its last pooling."""
    place, _, kind = name.partition(".")
    fully_connected = {"31": 1, "33": 3}
    if place in fully_connected:
        return f"backbone.extra.0.7.{fully_connected[place]}.{kind}"
    return _of_vgg(f"features.{name}")


def _of_mobilenet(name: str) -> str | None:
    """`features.0.0.weight` of a MobileNetV3-Large."""
    head, _, rest = name.partition(".")
    place, _, kind = rest.partition(".")
    if head != "features" or not place.isdecimal():
        return None
    number = int(place)
    if number < _MOBILENET_SPLIT:
        return f"backbone.features.0.{number}.{kind}"
    if number > _MOBILENET_SPLIT:
        return f"backbone.features.1.{number - _MOBILENET_SPLIT}.{kind}"
    kind = kind.removeprefix("block.")
    # Its other layers keep their numbers.
    is_expansion = kind.startswith("0.")
    return (
        f"backbone.features.0.{number}.{kind[2:]}"
        if is_expansion
        else f"backbone.features.1.0.{kind}"
    )


def _require_first_map(
    backbone: nn.Module, given: StateDict, wanted: StateDict, title: str
) -> None:
    """Refuse what has not all up to the backbone's first map: most would start at random."""
    prefix = "backbone.features."
    if not isinstance(backbone, SSDFeatureExtractorVGG):
        prefix += "0."
    for name in without_counters([name for name in wanted if name.startswith(prefix)]):
        if name not in given:
            raise CheckpointError(
                f"no tensor is {name}, so this is not {title} for this detector; check "
                "model.detector"
            )
        have, want = tuple(given[name].shape), tuple(wanted[name].shape)
        if have != want:
            raise CheckpointError(
                f"{name} has shape {have} where the detector has {want}, so this is not {title} "
                "for this detector; check model.detector"
            )


def _said(given: StateDict, wanted: StateDict, names: list[str], taken: list[str]) -> str:
    """Where a part's tensors came from, or why they did not."""
    if len(taken) == len(names):
        return "the file"
    differ = [name for name in names if name in given and name not in taken]
    if not differ:
        return "what is not in the file starts at random"
    have, want = (tuple(one[differ[0]].shape) for one in (given, wanted))
    why = "of another number of classes" if "classification_head" in differ[0] else "of other shape"
    return f"{len(differ)} tensors {why} start at random: {differ[0]} has {have} in place of {want}"
