"""A network's repeated blocks, and its parameters by how deep they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import UnionType

from torch import nn


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """The blocks, the shallowest first: transformer blocks, residual blocks.

    None where the network has no rows of modules, which are what tells blocks.
    """
    blocks = list(_blocks(network, nn.Sequential | nn.ModuleList))
    # Some of timm's feature networks hold their stages by name instead.
    return blocks or list(_blocks(network, nn.ModuleDict))


def _blocks(module: nn.Module, row: UnionType | type) -> Iterator[nn.Module]:
    """The outermost modules in a `row` that have parts and are no row."""
    for child in module.children():
        has_parts = next(child.children(), None) is not None
        if isinstance(module, row) and has_parts and not isinstance(child, row):
            yield child
        else:
            yield from _blocks(child, row)


def layers_of(network: nn.Module, heads: Sequence[nn.Module] = ()) -> list[list[nn.Parameter]]:
    """The parameters by layers: what comes before the first block, then those of each block.

    What lies between two blocks, such as a downsampling, belongs to the second, and what follows
    after the last one, such as a final norm, to that.

    Args:
        network: of any kind.
        heads: modules in it that are left out.
    """
    left_out = {id(module) for head in heads for module in head.modules()}
    in_heads = {id(parameter) for head in heads for parameter in head.parameters()}
    blocks = [block for block in blocks_of(network) if id(block) not in left_out]
    number = {id(p): place for place, block in enumerate(blocks, 1) for p in block.parameters()}
    encoder = [parameter for parameter in network.parameters() if id(parameter) not in in_heads]
    layers: list[list[nn.Parameter]] = [[] for _ in range(len(blocks) + 1)]
    following = len(blocks)
    for parameter in reversed(encoder):
        following = number.setdefault(id(parameter), following)
    in_blocks = {id(parameter) for block in blocks for parameter in block.parameters()}
    has_begun = False
    for parameter in encoder:
        has_begun = has_begun or id(parameter) in in_blocks
        layers[number[id(parameter)] if has_begun else 0].append(parameter)
    return layers
