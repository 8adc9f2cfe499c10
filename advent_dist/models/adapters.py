"""LoRA adapters beside an encoder's layers (arXiv 2106.09685). Only this file imports peft.

An adapted layer gives W x + alpha / rank * B A x. W is frozen; A is random and B is 0 at first, so
that adapters change nothing before they are trained. Parameters are named by peft:
`qkv.base_layer.weight` is W, `qkv.lora_A.default.weight` and `qkv.lora_B.default.weight` are A, B.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping

from torch import Tensor, nn

from advent_dist.config.lora import LoRAConfig
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.models.blocks import blocks_of

_BASE = ".base_layer."
_ADAPTER = ".lora_"


def add_adapters(body: nn.Module, config: LoRAConfig, encoder: str) -> None:
    """Put an adapter beside each linear layer that the config names, in place; all else is frozen.

    Args:
        body: an encoder's network, with its weights or before them.
        config: with a rank.
        encoder: its name, for messages.

    Raises:
        ConfigError: peft is not installed, or no linear layer has such a name.
    """
    if importlib.util.find_spec("peft") is None:
        raise ConfigError(
            f"model.lora.rank = {config.rank}: adapters need peft, which is not installed; run "
            "pip install 'advent-dist[lora]'"
        )
    from peft import LoraConfig, inject_adapter_in_model  # three seconds of imports

    chosen = _chosen(body, config.targets, encoder)
    assert config.rank is not None
    how = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=chosen,
    )
    inject_adapter_in_model(how, body)


def _chosen(body: nn.Module, targets: Collection[str], encoder: str) -> list[str]:
    """The full names of the layers in blocks that bear one of these names."""
    blocks = {id(part) for block in blocks_of(body) for part in block.modules()}
    layers = [
        name
        for name, module in body.named_modules()
        # Not what inherits from it, and may do more than a product.
        if id(module) in blocks and type(module) is nn.Linear
    ]
    for target in targets:
        if not any(_is_called(name, target) for name in layers):
            known = ", ".join(sorted({name.rpartition(".")[2] for name in layers})) or "none"
            raise ConfigError(
                f"model.lora.targets = {tuple(targets)!r}: no layer in the blocks of {encoder} is "
                f"a linear one called {target}; linear ones are {known}"
            )
    return [name for name in layers if any(_is_called(name, target) for target in targets)]


def _is_called(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def is_adapter(name: str) -> bool:
    """Whether a parameter of that name belongs to an adapter."""
    return _ADAPTER in name


def bypassed(module: nn.Module) -> list[str]:
    """Names of adapted layers whose weights are read, but which are not called.

    Their adapters do nothing, and have no gradient.

    Args:
        module: after a backward pass; without one, none is known to be bypassed.
    """
    named = dict(module.named_parameters())
    if all(parameter.grad is None for parameter in named.values()):
        return []
    idle = (name for name, one in named.items() if is_adapter(name) and one.grad is None)
    return sorted({name.partition(_ADAPTER)[0] for name in idle})


def require_same_adapters(stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Refuse a file with other adapters than the model has; one without any goes with all.

    Args:
        stored: tensors from a file.
        wanted: tensors of the model.

    Raises:
        CheckpointError: they are of another rank, or of other layers.
    """
    there, here = (
        {name: tuple(value.shape) for name, value in tensors.items() if is_adapter(name)}
        for tensors in (stored, wanted)
    )
    if there and there != here:
        raise CheckpointError(
            f"it has {len(there) // 2} adapters, which are not the model's {len(here) // 2}; give "
            "rank, alpha and targets of model.lora as the run had them that wrote it"
        )


def without_adapters(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the frozen network, by the names that they have without adapters."""
    return {
        name.replace(_BASE, "."): value
        for name, value in state_dict.items()
        if not is_adapter(name)
    }


def merge_adapters(module: nn.Module) -> None:
    """Make adapted layers plain ones that give the same but for rounding, in place."""
    adapted = {
        name.partition(_ADAPTER)[0] for name, _ in module.named_parameters() if is_adapter(name)
    }
    for name in adapted:
        layer = module.get_submodule(name)
        layer.merge()  # type: ignore[operator]
        module.set_submodule(name, layer.get_base_layer())  # type: ignore[operator]
