"""Tensors of a file, matched to the segmenter at hand."""

from __future__ import annotations

from typing import NamedTuple

from advent_dist.errors import CheckpointError
from advent_dist.models.adapters import is_adapter, require_same_adapters, without_adapters
from advent_dist.models.decoders.dilated import sums_two
from advent_dist.models.deeplab_v2 import DeepLabV2, is_head
from advent_dist.models.encoder_weights import encoder_tensors
from advent_dist.models.hrda import HRDANetwork
from advent_dist.models.layouts import (
    ATTENTION,
    AUX,
    ENCODER,
    MAIN,
    Layout,
    Section,
    layout_of,
    left_over,
)
from advent_dist.models.network import Network
from advent_dist.models.segmenter import EncoderWithHeads, Segmenter
from advent_dist.models.state_dicts import StateDict, check_fits, without_counters
from advent_dist.models.taken import LeftOver, Taken, TakenPart

_OPTIONAL = ("mask_token.",)
"""What of an encoder one run has and another has not."""

_RANDOM = "nothing in the file; it starts at random"


class _Part(NamedTuple):
    """A part of the segmenter at hand."""

    prefix: str
    """What its tensors' names begin with."""

    wanted: StateDict
    """Its tensors, by what their names go on with."""


class _Match(NamedTuple):
    """What a file has for a part."""

    taken: StateDict
    """By the part's names."""

    said: str
    """For the table."""

    left_over: list[LeftOver]
    """Of what was meant for the part."""


def take(segmenter: Segmenter, state_dict: StateDict, file: str, *, ordered: bool = True) -> Taken:
    """Load tensors into `segmenter`, in place; see `weights.load_weights`.

    Args:
        segmenter: on any device, not yet given to an engine.
        state_dict: the tensors.
        file: where they are from.
        ordered: whether they are in the order in which their modules were made.

    Returns:
        What was taken and what was not.

    Raises:
        CheckpointError: they do not fit, and nothing is loaded; names the first tensor and the fix.
    """
    network = segmenter.network
    tensors = network.state_dict()
    require_same_adapters(state_dict, segmenter.state_dict())
    if not any(is_adapter(name) for name in state_dict):
        tensors = without_adapters(tensors)  # they stay as they are at first
    layout = layout_of(state_dict, deeplab=isinstance(network, DeepLabV2))
    chosen: StateDict = {}
    rows, rest = [], list(layout.left_over)
    parts = _parts(network, tensors)
    for name, part in parts.items():
        if name == ENCODER:
            match = _encoder(network, part, layout, ordered=ordered)
        else:
            match = _head(part, layout.sections.get(name))
        chosen |= {f"{part.prefix}{key}": tensor for key, tensor in match.taken.items()}
        rest += match.left_over
        taken, wanted = without_counters(match.taken), without_counters(part.wanted)
        rows.append(TakenPart(part=name, taken=len(taken), wanted=len(wanted), said=match.said))
    for name, section in layout.sections.items():
        if name not in parts:
            rest += left_over(section.tensors, section.origin, f"there is no {name} here")
    for name, tensor in chosen.items():
        if name in tensors:  # all but batch counters that the file has alone
            tensors[name].copy_(tensor)
    return Taken(file=file, layout=layout.title, parts=tuple(rows), left_over=tuple(rest))


def _parts(network: Network, tensors: StateDict) -> dict[str, _Part]:
    """The parts of a network with these tensors; together they are all of it."""
    if isinstance(network, DeepLabV2):
        encoder = {name: tensor for name, tensor in tensors.items() if not is_head(name)}
        parts = {ENCODER: _Part("", encoder)}
        prefixes = {MAIN: "layer6.", AUX: "layer5."}
    else:
        inner = "single." if isinstance(network, HRDANetwork) else ""
        parts = {}
        prefixes = {
            ENCODER: f"{inner}encoder.",
            MAIN: f"{inner}main_head.",
            AUX: f"{inner}aux_head.",
            ATTENTION: "scale_attention.",
        }
    for name, prefix in prefixes.items():
        wanted = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        if wanted:
            parts[name] = _Part(prefix, wanted)
    return parts


def _encoder(network: Network, part: _Part, layout: Layout, *, ordered: bool) -> _Match:
    """The encoder, which must fit as a whole, but for what is optional in it."""
    section = layout.sections.get(ENCODER, Section("", {}))
    single = network.single if isinstance(network, HRDANetwork) else network
    if layout.own or not isinstance(single, EncoderWithHeads):
        given = section.tensors
        odd = {n for n in given.keys() ^ part.wanted.keys() if n.startswith(_OPTIONAL)}
        taken = {name: tensor for name, tensor in given.items() if name not in odd}
        wanted = {name: tensor for name, tensor in part.wanted.items() if name not in odd}
        rest = {name: tensor for name, tensor in given.items() if name in odd}
        check_fits(taken, wanted, what=layout.title)
    else:
        taken, rest = encoder_tensors(single.encoder, section.tensors, ordered=ordered)
    left = left_over(rest, section.origin, "has no place in the encoder's features")
    return _Match(taken, f"{section.origin}*" if section.origin else "the file", left)


def _head(part: _Part, section: Section | None) -> _Match:
    """A head, or all but its last layer where only the number of classes differs."""
    if section is None:
        return _Match({}, _RANDOM, [])
    given, wanted = section.tensors, part.wanted
    names = without_counters(wanted)
    unused = {name: tensor for name, tensor in given.items() if name not in wanted}
    left = left_over(unused, section.origin, "has no place in this head")
    origin = f"{section.origin}*"
    missing = [name for name in names if name not in given]
    if missing:
        why = f"{origin} is another decoder, without {missing[0]}; this one starts at random"
        return _Match({}, why, [])
    differ = [name for name in names if given[name].shape != wanted[name].shape]
    taken = {name: given[name] for name in given if name in wanted and name not in differ}
    if not differ and sums_two(given) and not left:
        raise CheckpointError(
            f"{origin} has convolutions of dilation 18 and 24 as they were drawn at first, so it "
            "sums the other two alone, as AdaptSegNet's and DACS'; set model.head_dilations = 2"
        )
    if not differ:
        return _Match(taken, origin, left)
    have, want = (tuple(one[differ[0]].shape) for one in (given, wanted))
    counts = {(given[name].shape[:1], wanted[name].shape[:1]) for name in differ}
    if len(counts) == 1 and all(given[n].shape[1:] == wanted[n].shape[1:] for n in differ):
        layer = differ[0].rpartition(".")[0].partition(".")[0]
        why = (
            f"{origin} but {layer}, of {have[0]} classes in place of {want[0]}: it starts at random"
        )
        return _Match(taken, why, left)
    why = f"{origin} has {differ[0]} of shape {have} in place of {want}; it starts at random"
    return _Match({}, why, left)
