"""SegFormer's encoder, the Mix Transformer, by timm's names of tensors (arXiv 2105.15203).

timm has no MiT, but its PVTv2 is one where its MLPs are four times as wide as their stage:
`mit_b5` and timm's `pvt_v2_b5` are the same network.
"""

from __future__ import annotations

import re
from typing import Any

import torch

from advent_dist.models.state_dicts import StateDict

MIX_TRANSFORMERS = {f"mit_b{size}": f"pvt_v2_b{size}" for size in range(6)}
"""Name -> timm's network of the same depths and widths."""

MIX_OPTIONS: dict[str, Any] = {"mlp_ratios": (4.0, 4.0, 4.0, 4.0), "drop_path_rate": 0.1}
"""What makes it a MiT, as published."""

_PUBLISHED = "patch_embed1.proj.weight"
_OF_MMSEGMENTATION = "layers.0.0.projection.weight"
_OF_TRANSFORMERS = "patch_embeddings.0.proj.weight"

_RULES = {
    _PUBLISHED: (
        (r"^patch_embed1\.", "patch_embed."),
        (r"^patch_embed(\d)\.", r"stages.\1.downsample."),
        (r"^block(\d)\.", r"stages.\1.blocks."),
        (r"^norm(\d)\.", r"stages.\1.norm."),
        (r"\.dwconv\.dwconv\.", ".dwconv."),
    ),
    _OF_MMSEGMENTATION: (
        (r"^layers\.0\.0\.", "patch_embed."),
        (r"^layers\.(\d)\.0\.", r"stages.\1.downsample."),
        (r"^layers\.(\d)\.1\.", r"stages.\1.blocks."),
        (r"^layers\.(\d)\.2\.", r"stages.\1.norm."),
        (r"\.projection\.", ".proj."),
        (r"\.attn\.attn\.out_proj\.", ".attn.proj."),
        (r"\.attn\.attn\.(q|kv)\.", r".attn.\1."),
        (r"\.ffn\.layers\.0\.", ".mlp.fc1."),
        (r"\.ffn\.layers\.1\.", ".mlp.dwconv."),
        (r"\.ffn\.layers\.4\.", ".mlp.fc2."),
    ),
    _OF_TRANSFORMERS: (
        (r"^patch_embeddings\.0\.layer_norm\.", "patch_embed.norm."),
        (r"^patch_embeddings\.0\.", "patch_embed."),
        (r"^patch_embeddings\.(\d)\.layer_norm\.", r"stages.\1.downsample.norm."),
        (r"^patch_embeddings\.(\d)\.", r"stages.\1.downsample."),
        (r"^block\.(\d)\.", r"stages.\1.blocks."),
        (r"^layer_norm\.(\d)\.", r"stages.\1.norm."),
        (r"\.layer_norm_(\d)\.", r".norm\1."),
        (r"\.attention\.self\.query\.", ".attn.q."),
        (r"\.attention\.self\.sr\.", ".attn.sr."),
        (r"\.attention\.self\.layer_norm\.", ".attn.norm."),
        (r"\.attention\.self\.", ".attn."),
        (r"\.attention\.output\.dense\.", ".attn.proj."),
        (r"\.mlp\.dense(\d)\.", r".mlp.fc\1."),
        (r"\.dwconv\.dwconv\.", ".dwconv."),
    ),
}
"""A tensor that tells whose names they are -> patterns and what takes their place, in order."""


def in_timms_names(state_dict: StateDict) -> StateDict:
    """A MiT's tensors as timm's PVTv2 has them; of other networks, what they are.

    Known are the names of SegFormer's own code, which DAFormer, HRDA and MIC share, those of
    MMSegmentation (mmseg/models/backbones/mit.py), which joins queries, keys and values, and those
    of transformers (modeling_segformer.py), which has keys and values apart.

    Args:
        state_dict: of an encoder alone.
    """
    sign = next((sign for sign in _RULES if sign in state_dict), None)
    if sign is None:
        return state_dict
    renamed: StateDict = {}
    for name, tensor in _with_keys_and_values(_apart(state_dict)).items():
        for pattern, replacement in _RULES[sign]:
            name = re.sub(pattern, replacement, name)
        if sign == _PUBLISHED:  # which counts stages from 1
            name = re.sub(r"^stages\.(\d)", lambda found: f"stages.{int(found[1]) - 1}", name)
        is_linear = name.endswith((".fc1.weight", ".fc2.weight"))
        # MMSegmentation's are convolutions of a pixel.
        renamed[name] = tensor.flatten(1) if is_linear and tensor.ndim == 4 else tensor
    return renamed


def _apart(state_dict: StateDict) -> StateDict:
    """Queries, and keys with values, where one tensor holds all three."""
    apart: StateDict = {}
    for name, tensor in state_dict.items():
        before, joined, kind = name.partition("in_proj_")
        if joined and tensor.ndim:
            width = len(tensor) // 3
            apart[f"{before}q.{kind}"], apart[f"{before}kv.{kind}"] = tensor[:width], tensor[width:]
        else:
            apart[name] = tensor
    return apart


def _with_keys_and_values(state_dict: StateDict) -> StateDict:
    """Keys with values, where they are two tensors."""
    joined: StateDict = {}
    for name, tensor in state_dict.items():
        before, is_key, kind = name.partition(".self.key.")
        values = state_dict.get(f"{before}.self.value.{kind}", torch.empty(0))
        alike = (values.shape, values.dtype) == (tensor.shape, tensor.dtype)
        if is_key and alike and tensor.ndim:
            joined[f"{before}.self.kv.{kind}"] = torch.cat([tensor, values])
        elif ".self.value." not in name:
            joined[name] = tensor
    return joined
