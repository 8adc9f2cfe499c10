"""VFM-UDA and VFM-UDA++."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.methods.mic import MaskedConfig
from advent_dist.config.methods.self_training import SelfTrainingConfig
from advent_dist.config.require import Size, require, require_size


@dataclass(frozen=True, kw_only=True)
class VFMConfig(MaskedConfig, SelfTrainingConfig):
    """What VFM-UDA and VFM-UDA++ have in common."""

    teacher_decay: float = 0.999
    """Share of the teacher that an update keeps, once it has had that many that a plain mean would
    keep more."""

    weak_probability: float = 0.9
    """Probability that the colours of an image change a little: of the source (VFM-UDA), of the
    target before it is mixed, and of what features are compared of (VFM-UDA++)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        value = self.weak_probability
        require(0 <= value <= 1, "method.weak_probability", value, "a probability is 0 to 1")


@dataclass(frozen=True, kw_only=True)
class VFMUDAConfig(VFMConfig):
    """Self-training of a vision foundation model on mixed and masked images (VFM-UDA)."""

    name: Literal["vfm_uda"] = "vfm_uda"
    """Key of the method."""


@dataclass(frozen=True, kw_only=True)
class VFMUDAPlusPlusConfig(VFMConfig):
    """VFM-UDA with the features of a larger, frozen encoder to be told from its own (VFM-UDA++)."""

    name: Literal["vfm_uda_plus_plus"] = "vfm_uda_plus_plus"
    """Key of the method."""

    lambda_distill_source: float = 0.1
    """Weight of the distance to the frozen encoder's features of source images."""

    lambda_distill_target: float = 0.1
    """Weight of the distance to the frozen encoder's features of target images."""

    distill_encoder: str = "vit_large_patch14_reg4_dinov2"
    """The frozen encoder, by its name in timm."""

    distill_pretrained: bool = True
    """Download timm's weights of the frozen encoder."""

    distill_weights: str | None = None
    """Its weights in place of timm's, with `distill_pretrained` False; see `model.weights`."""

    distill_size: Size = (406, 406)
    """Width and height in pixels at which it sees the images."""

    vivid_probability: float = 1.0
    """Probability that a source image may change its colours much, lose them, and be blurred."""

    mask_block: int = 64
    """Side in pixels of the blocks that are hidden, of crops of 1120."""

    def __post_init__(self) -> None:
        super().__post_init__()
        value = self.vivid_probability
        require(0 <= value <= 1, "method.vivid_probability", value, "a probability is 0 to 1")
        require_size("method.distill_size", self.distill_size)
        encoder = self.distill_encoder
        fix = "give the name of an encoder of timm"
        require(encoder != "deeplab_v2", "method.distill_encoder", encoder, fix)
        both = self.distill_pretrained and self.distill_weights is not None
        fix = "set method.distill_pretrained to False, or leave it out"
        require(not both, "method.distill_weights", self.distill_weights, fix)
