"""State dicts from elsewhere: reading the file, cutting prefixes, refusing what does not fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from advent_dist.errors import CheckpointError
from advent_dist.models.weight_file import why_no_weights

StateDict = dict[str, Tensor]

_COUNTER = "num_batches_tracked"
_WRAPPERS = ("state_dict", "model", "teacher")


def read_state_dict(path: Path) -> StateDict:
    """The tensors of a .safetensors, or of a .pth or .bin file, in the order that they have there.

    The latter may hold them directly or under "state_dict", "model" or "teacher". Reading them runs
    no code of the file's.

    Raises:
        CheckpointError: the file is damaged or holds something else, such as sparse tensors.
    """
    state_dict = _read(path)
    for name, tensor in state_dict.items():
        dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not dense or tensor.is_quantized:
            kind = tensor.layout if tensor.layout != torch.strided else tensor.device.type
            raise CheckpointError(
                f"{path}: tensor {name} is {'quantised' if tensor.is_quantized else kind}; give a "
                "file with plain tensors"
            )
    return state_dict


def _read(path: Path) -> StateDict:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    # Of what is no pickle, the unpickler takes the first bytes for instructions: any error comes.
    except Exception as error:
        raise CheckpointError(f"{path}: not readable as weights: {_why(error, path)}") from None
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise CheckpointError(
            f"{path}: holds a {type(content).__name__} that is no state dict; "
            "give a file written from model.state_dict()"
        )
    return dict(content)


def _why(error: Exception, path: Path) -> str:
    """Why a file is not readable, and what to do."""
    unseen = isinstance(error, FileNotFoundError | PermissionError)
    if not unseen and (mixed_up := why_no_weights(path)):
        return mixed_up
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    if not isinstance(error, OSError | RuntimeError | SafetensorError):
        # PyTorch's own words advise to load the file unsafely; the unpickler's, at a byte that it
        # takes for an instruction, say nothing ("101").
        reason = "it is no file of PyTorch, or holds more than tensors, which could run code"
    return (
        f"{reason}; give a .safetensors, or a .pth written by torch.save(model.state_dict(), ...)"
    )


def without_prefix(state_dict: Mapping[str, Tensor], prefix: str) -> StateDict:
    """The same tensors, without `prefix` (DataParallel's "module.", say) if *all* names have it."""
    if not all(name.startswith(prefix) for name in state_dict):
        return dict(state_dict)
    return {name.removeprefix(prefix): value for name, value in state_dict.items()}


def without_counters(names: Collection[str]) -> list[str]:
    """The names but for BatchNorm's batch counters, which old files lack and nothing here needs."""
    return [name for name in names if not name.endswith(_COUNTER)]


def check_fits(loaded: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, what: str) -> None:
    """Refuse all but exactly the names and shapes of `wanted`; batch counters may be missing.

    Args:
        loaded: tensors from a file.
        wanted: tensors of the model.
        what: what the file should be, for the message.

    Raises:
        CheckpointError: names the first tensor that does not fit.
    """
    for name in without_counters(wanted):
        if name not in loaded:
            raise CheckpointError(
                f"tensor {name} is missing, so this is not {what} for this model; "
                "check model.encoder and model.multi_level"
            )
        have, want = tuple(loaded[name].shape), tuple(wanted[name].shape)
        if have != want:
            raise CheckpointError(
                f"tensor {name} has shape {have} where the model has {want}, so this is not {what} "
                "for this model; check model.encoder, model.multi_level and data.classes"
            )
    for name in without_counters(loaded):
        if name not in wanted:
            raise CheckpointError(
                f"tensor {name} has no place in the model, so this is not {what} for it; "
                "check model.encoder and model.multi_level"
            )
