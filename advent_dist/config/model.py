"""The networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from advent_dist.config.lora import LoRAConfig
from advent_dist.config.require import Size, require, require_size


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The segmenter and the discriminators that look at its outputs."""

    encoder: str = "deeplab_v2"
    """`deeplab_v2`: the paper's DeepLab-v2 on a Caffe-style ResNet-101. Else the name of any timm
    model with features, or `mit_b0` to `mit_b5`, SegFormer's and DAFormer's."""

    pretrained: bool = False
    """Download timm's pretrained weights of the encoder."""

    weights: str | None = None
    """Initial weights: a local file (.pth, .bin, .safetensors) of this project or as others publish
    them (docs/weights.md), the folder of a run, or `pip:PACKAGE` for the file that an installed
    package ships."""

    decoder: Literal[
        "deeplab", "daformer", "fpn", "linear", "segformer", "segformer_mmseg", "upscaling"
    ] = "deeplab"
    """What turns a timm encoder's features into logits: DeepLab-v2's head, DAFormer's fusion of all
    levels, a light feature pyramid, one linear layer, SegFormer's linear layers on all levels (with
    norms between, as MMSegmentation has them), or VFM-UDA's head for plain transformers."""

    decoder_width: int | None = None
    """Channels inside the decoder (daformer, segformer, segformer_mmseg: 256, fpn: 128, upscaling:
    a quarter of the features'); none takes these."""

    multi_level: bool = True
    """Add DeepLab-v2's head on the second-deepest features, with losses and a discriminator of its
    own, whatever the decoder; single-level methods see the decoder's logits alone."""

    head_dilations: Literal[2, 4] = 4
    """Convolutions that a head of `deeplab_v2` sums: of dilations 6, 12, 18 and 24, or of the first
    two alone, as the code of AdaptSegNet and of DACS does: their weights mean that."""

    detail_crop: Size | None = None
    """Width, height in pixels of the windows that HRDA looks at in full resolution, beside all of
    the image in half of it (HRDA: 512 512 of crops of 1024); none looks at images once."""

    output_stride: Literal[8, 16, 32] = 8
    """Input pixels per pixel of the deepest features of a timm CNN (others keep their own). The
    decoders that read all levels take undilated features of 4, 8, 16 and 32 instead."""

    trained_blocks: int | None = None
    """So many of the encoder's blocks are trained, from the deepest on (0: the heads alone); none
    trains all. The others are as in an evaluation: no dropout, no statistics of the batch."""

    lora: LoRAConfig = field(default_factory=LoRAConfig)
    """Adapters, which are trained in place of the encoder."""

    frozen_batch_norm: bool = False
    """Keep the statistics, weights and biases of the encoder's BatchNorm as they are at first."""

    drop_path: float | None = None
    """Share of the deepest block's residual branches that training leaves out, falling linearly to
    0 towards the first (stochastic depth); none takes the encoder's own: 0.1 of `mit_b0` to
    `mit_b5`, 0 of most of timm."""

    mask_token: bool = False
    """Give a plain transformer a learned token that stands for hidden patches: methods that mask
    target images (mic, mic_dacs, vfm_uda) hide patches then, not blocks of pixels (VFM-UDA)."""

    discriminator_width: int = 64
    """Channels of a discriminator's first layer; each of the next three doubles them."""

    def __post_init__(self) -> None:
        width = self.discriminator_width
        require(width >= 1, "model.discriminator_width", width, "must be at least 1")
        inner = self.decoder_width
        require(inner is None or inner >= 1, "model.decoder_width", inner, "must be at least 1")
        has_width = self.decoder not in ("deeplab", "linear")
        require(
            inner is None or has_width, "model.decoder_width", inner, f"{self.decoder} has none"
        )
        own = self.encoder != "deeplab_v2" or self.decoder == "deeplab"
        fix = (
            "the paper's network has a head of its own; give an encoder of timm, such as resnet101"
        )
        require(own, "model.decoder", self.decoder, fix)
        dilated = self.encoder == "deeplab_v2" or self.head_dilations == 4
        fix = "it is for weights of the paper's network (model.encoder = deeplab_v2); leave it 4"
        require(dilated, "model.head_dilations", self.head_dilations, fix)
        dropped = self.drop_path
        fix = "give a share from 0 to less than 1"
        require(dropped is None or 0 <= dropped < 1, "model.drop_path", dropped, fix)
        fix = "the paper's network has no stochastic depth; give an encoder of timm, or none"
        require(dropped is None or self.encoder != "deeplab_v2", "model.drop_path", dropped, fix)
        hides = self.encoder != "deeplab_v2" or not self.mask_token
        fix = "the paper's network has no patches; give a plain transformer of timm, or False"
        require(hides, "model.mask_token", self.mask_token, fix)
        once = self.detail_crop is None or not self.mask_token
        fix = "patches are hidden of images that are seen once; set it to False with detail_crop"
        require(once, "model.mask_token", self.mask_token, fix)
        self._require_detail_fits()
        trained = self.trained_blocks
        fix = "give a number of blocks, 0 or more"
        require(trained is None or trained >= 0, "model.trained_blocks", trained, fix)
        adapted = self.lora.rank
        fix = "the adapters are trained in place of the encoder; leave one of the two out"
        require(trained is None or adapted is None, "model.trained_blocks", trained, fix)
        fix = "the paper's network gets no adapters; give an encoder of timm, or none"
        own = self.encoder != "deeplab_v2"
        require(own or adapted is None, "model.lora.rank", adapted, fix)
        both = self.pretrained and self.weights is not None
        require(
            not both, "model.weights", self.weights, "give either weights or pretrained, not both"
        )

    def _require_detail_fits(self) -> None:
        crop = self.detail_crop
        if crop is None:
            return
        require_size("model.detail_crop", crop)
        fits = crop[0] % 8 == 0 and crop[1] % 8 == 0
        require(fits, "model.detail_crop", crop, "width and height must be multiples of 8")
        own = self.encoder == "deeplab_v2"
        fix = "model.detail_crop needs an encoder of timm, such as resnet101"
        require(not own, "model.encoder", self.encoder, fix)
        fix = "there is no auxiliary head with model.detail_crop; set it to False"
        require(not self.multi_level, "model.multi_level", True, fix)
