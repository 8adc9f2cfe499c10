"""Decoders: an encoder's features in, logits out; one file each, by the name in `model.decoder`."""

from __future__ import annotations

from advent_dist.models.decoders.base import Decoder
from advent_dist.models.decoders.daformer import DAFormerDecoder
from advent_dist.models.decoders.dilated import DilatedDecoder
from advent_dist.models.decoders.fpn import FPNDecoder
from advent_dist.models.decoders.linear import LinearDecoder
from advent_dist.models.decoders.segformer import MMSegSegFormerDecoder, SegFormerDecoder
from advent_dist.models.decoders.upscaling import UpscalingDecoder

DECODERS: dict[str, type[Decoder]] = {
    "deeplab": DilatedDecoder,
    "daformer": DAFormerDecoder,
    "fpn": FPNDecoder,
    "linear": LinearDecoder,
    "segformer": SegFormerDecoder,
    "segformer_mmseg": MMSegSegFormerDecoder,
    "upscaling": UpscalingDecoder,
}
"""`model.decoder` -> class."""
