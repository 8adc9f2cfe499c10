"""SegFormer's decode head out of published files, by this project's names of tensors."""

from __future__ import annotations

import re

import torch

from advent_dist.models.state_dicts import StateDict

_OF_SEGFORMER = (
    (r"^linear_c(\d)\.", r"embed_layers.\1."),
    (r"^linear_fuse\.", "fuse_layer."),
    (r"^linear_pred\.", "conv_seg."),
)
_OF_TRANSFORMERS = (
    (r"^linear_c\.", "embed_layers."),
    (r"^linear_fuse\.", "fuse_layer.conv."),
    (r"^batch_norm\.", "fuse_layer.bn."),
    (r"^classifier\.", "conv_seg."),
)
_COUNTS_FROM_1 = "linear_c1.proj.weight"
_RULES = {_COUNTS_FROM_1: _OF_SEGFORMER, "linear_c.0.proj.weight": _OF_TRANSFORMERS}
"""A tensor that tells whose names they are -> patterns and what takes their place."""

UNUSED = "conv_seg."
"""What the class that SegFormer's own head is built on makes, and the head does not call."""

_FUSION, _LEVEL = "fuse_layer.conv.weight", r"embed_layers\.\d\.proj\.weight"


def in_our_names(state_dict: StateDict) -> StateDict | None:
    """The head's tensors as `SegFormerDecoder` has them, without `UNUSED`; None of other heads.

    Known are the names of SegFormer's own code (NVlabs/SegFormer, segformer_head.py) and those of
    transformers (modeling_segformer.py). Both join the levels from the deepest on, this project
    from the finest. What joins no such levels is left out.

    Args:
        state_dict: of a decode head alone.
    """
    sign = next((sign for sign in _RULES if sign in state_dict), None)
    if sign is None:
        return None
    renamed: StateDict = {}
    for name, tensor in state_dict.items():
        if name.startswith(UNUSED):
            continue
        for pattern, replacement in _RULES[sign]:
            name = re.sub(pattern, replacement, name)
        if sign == _COUNTS_FROM_1:
            name = re.sub(r"^(embed_layers)\.(\d)", lambda at: f"{at[1]}.{int(at[2]) - 1}", name)
        renamed[name] = tensor
    levels = sum(re.fullmatch(_LEVEL, name) is not None for name in renamed)
    fusion = renamed.pop(_FUSION, torch.empty(0))
    if fusion.ndim == 4 and levels and fusion.shape[1] % levels == 0:
        renamed[_FUSION] = torch.cat(fusion.chunk(levels, 1)[::-1], 1)
    return renamed
