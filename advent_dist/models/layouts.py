"""Which tensors of a file are for which part of a segmenter, in each layout that files come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from advent_dist.models.segformer_head import UNUSED, in_our_names
from advent_dist.models.state_dicts import StateDict, without_counters, without_prefix
from advent_dist.models.taken import LeftOver

ENCODER, MAIN, AUX, ATTENTION = "encoder", "main head", "auxiliary head", "scale attention"
"""Parts of a segmenter."""

_TRANSFORMERS = "segformer.encoder."

_WRAPPERS = ("module.", "encoder.", "backbone.", "model.", "body.")


class Section(NamedTuple):
    """Tensors of a file for one part."""

    origin: str
    """What their names begin with in the file."""

    tensors: StateDict
    """By what their names go on with."""


class Layout(NamedTuple):
    """A file, taken apart."""

    title: str
    """Whose names of tensors it has."""

    own: bool
    """Whether these are this project's."""

    sections: dict[str, Section]
    """Part -> tensors for it."""

    left_over: list[LeftOver]
    """The rest."""


def layout_of(state_dict: StateDict, *, deeplab: bool) -> Layout:
    """Take a file apart.

    Args:
        state_dict: all of it.
        deeplab: whether it is for the paper's network, which other projects publish as a whole.
    """
    plain = without_prefix(state_dict, "module.")
    if any(name.startswith("network.") for name in plain):
        return _own(plain)
    if deeplab:
        return _deeplab(plain)
    if any(name.startswith(("backbone.", "model.backbone.")) for name in plain) and any(
        name.startswith(("decode_head.", "model.decode_head.")) for name in plain
    ):
        return _mmsegmentation(plain)
    if any(name.startswith(_TRANSFORMERS) for name in plain):
        return _transformers(plain)
    for prefix in _WRAPPERS:
        plain = without_prefix(plain, prefix)
    return Layout("an encoder", False, {ENCODER: Section("", plain)}, [])


def _own(state_dict: StateDict) -> Layout:
    """A segmenter of this project; a network of two resolutions holds one of a single one."""
    plain = {
        name.removeprefix("network.").removeprefix("single."): tensor
        for name, tensor in state_dict.items()
    }
    places = {
        "encoder.": ENCODER,
        "main_head.": MAIN,
        "layer6.": MAIN,
        "aux_head.": AUX,
        "layer5.": AUX,
        "scale_attention.": ATTENTION,
    }
    sections = _split(plain, places)
    rest = {name: t for name, t in plain.items() if not name.startswith(tuple(places))}
    title = "a segmenter of this project"
    if ENCODER in sections:
        return Layout(title, True, sections, left_over(rest, "", "no part of a segmenter"))
    # The paper's network, whose encoder is not one module.
    return Layout(title, True, sections | {ENCODER: Section("", rest)}, [])


def _deeplab(state_dict: StateDict) -> Layout:
    """A DeepLab-v2 as ADVENT and those before and after it publish it.

    The ImageNet and COCO files have one more first component ("Scale.conv1.weight") and the
    classifier of another task. Networks of one level call their only head layer5 (AdaptSegNet,
    DACS, FDA; ADVENT: layer6). In DADA (arXiv 1904.01886; valeoai/DADA, dada/model) the head
    reads features times what comes from a branch that predicts depth.
    """
    if any(name.startswith("Scale.") for name in state_dict):
        plain = {name.partition(".")[2]: tensor for name, tensor in state_dict.items()}
        heads = {name: t for name, t in plain.items() if name.startswith(("layer5.", "layer6."))}
        rest = {name: tensor for name, tensor in plain.items() if name not in heads}
        left = left_over(heads, "Scale.", "the classifier of another task")
        title = "DeepLab-v2's initialisation"
        return Layout(title, False, {ENCODER: Section("Scale.", rest)}, left)
    two_levels = any(name.startswith("layer6.") for name in state_dict)
    places = {"layer5.": AUX if two_levels else MAIN, "layer6.": MAIN}
    depth = {name for name in state_dict if name.startswith(("enc4_", "dec4."))}
    sections = _split(state_dict, places)
    left = []
    if depth:
        head = sections.pop(MAIN, Section("", {}))
        why = "reads features that a depth branch weighs (DADA), which is not here"
        left += left_over(head.tensors, head.origin, why)
        branch = {name: state_dict[name] for name in state_dict if name in depth}
        left += left_over(branch, "", "the depth branch of DADA, which is not here")
    encoder = {
        name: tensor
        for name, tensor in state_dict.items()
        if name not in depth and not name.startswith(tuple(places))
    }
    title = "a DeepLab-v2 as published by ADVENT and others"
    return Layout(title, False, sections | {ENCODER: Section("", encoder)}, left)


def _mmsegmentation(state_dict: StateDict) -> Layout:
    """A segmenter of MMSegmentation, or the student out of DAFormer, HRDA or MIC.

    HRDA's decode head has two: the segmentation head, and the attention to scales.
    """
    prefix = "model." if any(name.startswith("model.") for name in state_dict) else ""
    chosen = {n.removeprefix(prefix): t for n, t in state_dict.items() if n.startswith(prefix)}
    rest = {name: tensor for name, tensor in state_dict.items() if not name.startswith(prefix)}
    head = "decode_head."
    places = {"backbone.": ENCODER, f"{head}head.": MAIN, f"{head}scale_attention.": ATTENTION}
    if not any(name.startswith(f"{head}head.") for name in chosen):
        places = {"backbone.": ENCODER, head: MAIN}
    sections = {
        part: Section(f"{prefix}{section.origin}", section.tensors)
        for part, section in _split(chosen, places).items()
    }
    others = {name: t for name, t in chosen.items() if not name.startswith(tuple(places))}
    left = left_over(others, prefix, "has no counterpart here") + _with_segformers_head(sections)
    known = {
        "ema_model": "the teacher; the student is taken",
        "imnet_model": "the encoder as it was before; the student is taken",
    }
    left += left_over(
        rest, "", lambda first: known.get(first, "not of the student, which is taken")
    )
    return Layout("MMSegmentation's names", False, sections, left)


def _transformers(state_dict: StateDict) -> Layout:
    """SegFormer out of the transformers library, as a segmenter or pretrained on ImageNet."""
    places = {_TRANSFORMERS: ENCODER, "decode_head.": MAIN}
    rest = {name: t for name, t in state_dict.items() if not name.startswith(tuple(places))}
    sections = _split(state_dict, places)
    left = left_over(rest, "", "has no counterpart here") + _with_segformers_head(sections)
    return Layout("transformers' names", False, sections, left)


def _with_segformers_head(sections: dict[str, Section]) -> list[LeftOver]:
    """Rename SegFormer's head, where it is one, in place; what it has and does not use."""
    origin, tensors = sections.get(MAIN, Section("", {}))
    renamed = in_our_names(tensors)
    if renamed is None:
        return []
    sections[MAIN] = Section(origin, renamed)
    unused = {name: tensor for name, tensor in tensors.items() if name.startswith(UNUSED)}
    return left_over(unused, origin, "SegFormer's head does not use it")


def _split(state_dict: StateDict, places: dict[str, str]) -> dict[str, Section]:
    """The tensors whose names begin with these prefixes, by part."""
    found: dict[str, Section] = {}
    for prefix, part in places.items():
        tensors = {n.removeprefix(prefix): t for n, t in state_dict.items() if n.startswith(prefix)}
        if tensors:
            found[part] = Section(prefix, tensors)
    return found


def left_over(
    state_dict: StateDict, prefix: str, why: str | Callable[[str], str]
) -> list[LeftOver]:
    """What is not taken, a line for each first component of the names.

    Args:
        state_dict: by names without `prefix`.
        prefix: what the names begin with in the file.
        why: why it is not taken, or what says so of a first component.
    """
    counts: dict[str, int] = {}
    for name in without_counters(state_dict):
        first = name.partition(".")[0]
        counts[first] = counts.get(first, 0) + 1
    return [
        LeftOver(
            origin=f"{prefix}{first}", count=count, why=why if isinstance(why, str) else why(first)
        )
        for first, count in counts.items()
    ]
