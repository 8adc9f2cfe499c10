"""A timm encoder's tensors in a file of another project: by name, or in order."""

from __future__ import annotations

from advent_dist.errors import CheckpointError
from advent_dist.models.adapters import without_adapters
from advent_dist.models.encoder import Encoder
from advent_dist.models.mix_transformer import in_timms_names
from advent_dist.models.state_dicts import StateDict, check_fits, without_counters

_MASK_TOKEN = "mask_token"
"""In DINOv2's own files; timm leaves it out."""

_WHAT = "the weights of this encoder"


def encoder_tensors(
    encoder: Encoder, state_dict: StateDict, *, ordered: bool
) -> tuple[StateDict, StateDict]:
    """Choose what an encoder needs, leaving what comes after its deepest features.

    By names where they are the encoder's. Else in order, which is how other projects' copies of an
    architecture fit; a .safetensors sorts its tensors and cannot.

    Args:
        encoder: nothing is loaded into it.
        state_dict: of an encoder alone.
        ordered: whether the tensors are in the order in which their modules were made.

    Returns:
        The encoder's tensors by its own names, and the rest by the file's.

    Raises:
        CheckpointError: they are another encoder's; names the first tensor.
    """
    state_dict = in_timms_names(state_dict)
    wanted = without_adapters(encoder.body.state_dict())
    names, stored = without_counters(wanted), without_counters(state_dict)
    # timm writes the "stages.0" of a classifier as "stages_0" where it returns features.
    by_name = {name.replace("_", "."): name for name in stored}
    if names[0].replace("_", ".") in by_name:
        pairs = [(name, by_name.get(name.replace("_", "."), "")) for name in names]
    elif ordered:
        pairs = list(zip(names, stored, strict=False))
        _check_order(pairs, wanted, state_dict)
    else:
        raise CheckpointError(
            f"tensor {names[0]} is missing, so these are not {_WHAT}; check model.encoder"
        )
    chosen = {name: state_dict[source] for name, source in pairs if source}
    check_fits(chosen, {name: wanted[name] for name in names}, what=_WHAT)
    used = {source for _, source in pairs}
    _check_left_over(used, stored)
    taken = {f"body.{name}": tensor for name, tensor in chosen.items()}
    if encoder.mask_token is not None and _MASK_TOKEN in state_dict:
        token = state_dict[_MASK_TOKEN].flatten()
        check_fits({"token": token}, encoder.mask_token.state_dict(), what=_WHAT)
        taken["mask_token.token"] = token
        used.add(_MASK_TOKEN)
    return taken, {name: state_dict[name] for name in stored if name not in used}


def _check_order(pairs: list[tuple[str, str]], wanted: StateDict, state_dict: StateDict) -> None:
    for name, source in pairs:
        have, want = tuple(state_dict[source].shape), tuple(wanted[name].shape)
        if have != want:
            raise CheckpointError(
                f"the names are not the encoder's, and in order the first to differ is tensor "
                f"{source} with shape {have} against {name} with {want}, so these are not {_WHAT}; "
                "check model.encoder"
            )


def _check_left_over(used: set[str], stored: list[str]) -> None:
    """Refuse a deeper relative: a classifier may be left over, but no part of a used part."""
    parts = {name.partition(".")[0] for name in used if "." in name}
    for name in stored:
        if name not in used and name.partition(".")[0] in parts:
            raise CheckpointError(
                f"tensor {name} has no place in the model, so these are not {_WHAT} but those of a "
                "deeper one; check model.encoder"
            )
