"""SegFormer's decoder: linear layers on all levels (arXiv 2105.15203, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from advent_dist.models.decoders.base import Decoder
from advent_dist.models.decoders.parts import ConvBNReLU, Embedding, classifier, joined

_WIDTH = 256


class SegFormerDecoder(Decoder):
    """Each level embedded, brought to the finest one's size, and all fused pixel by pixel.

    Parameters are named as in the code of DAFormer and HRDA, whose scale attention it is.

    Args:
        channels: of each feature map.
        num_classes: C.
        width: channels of each level's embedding and of the fusion; 256 by default, as published
            for MiT-B0 and B1 (B2 to B5: 768).
    """

    pyramid = True

    def __init__(self, channels: Sequence[int], num_classes: int, width: int | None) -> None:
        super().__init__()
        width = width or _WIDTH
        self.embed_layers = nn.ModuleList(Embedding(one, width) for one in channels)
        self.fuse_layer = self._fusion(len(channels) * width, width)
        self.dropout = nn.Dropout2d(0.1)
        self.conv_seg = classifier(width, num_classes)

    def _fusion(self, joined_width: int, width: int) -> nn.Module:
        """What makes `width` channels of all levels' together."""
        return ConvBNReLU(joined_width, width, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits at the resolution of the finest features."""
        fused = self.fuse_layer(joined(self.embed_layers, features))
        logits: Tensor = self.conv_seg(self.dropout(fused))
        return logits


class MMSegSegFormerDecoder(Decoder):
    """MMSegmentation's SegFormer: BatchNorm and ReLU after each level's embedding, too.

    Parameters are named as there (mmseg/models/decode_heads/segformer_head.py).

    Args:
        channels: of each feature map.
        num_classes: C.
        width: channels of each level's embedding and of the fusion; 256 by default, as there.
    """

    pyramid = True

    def __init__(self, channels: Sequence[int], num_classes: int, width: int | None) -> None:
        super().__init__()
        width = width or _WIDTH
        self.convs = nn.ModuleList(ConvBNReLU(one, width, 1) for one in channels)
        self.fusion_conv = ConvBNReLU(len(channels) * width, width, 1)
        self.dropout = nn.Dropout2d(0.1)
        self.conv_seg = classifier(width, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits at the resolution of the finest features."""
        fused = self.fusion_conv(joined(self.convs, features))
        logits: Tensor = self.conv_seg(self.dropout(fused))
        return logits
