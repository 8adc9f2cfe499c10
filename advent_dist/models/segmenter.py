"""The segmenter: decoded RGB images in, full-resolution logits out, whichever network is inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from advent_dist.config import ModelConfig
from advent_dist.errors import ConfigError
from advent_dist.losses import at_least_fp32
from advent_dist.models.adapters import add_adapters
from advent_dist.models.blocks import layers_of
from advent_dist.models.checkpointing import Recomputed, checkpoint_blocks
from advent_dist.models.decoders import DECODERS
from advent_dist.models.decoders.base import Decoder
from advent_dist.models.decoders.dilated import DilatedHead
from advent_dist.models.decoders.segformer import SegFormerDecoder
from advent_dist.models.deeplab_v2 import BGR_MEAN, DeepLabV2
from advent_dist.models.encoder import Encoder, build_encoder
from advent_dist.models.hrda import HRDANetwork
from advent_dist.models.network import Detail, Network, SingleScale
from advent_dist.models.upsampling import CoarseLogits

S = TypeVar("S", bound="Segmenter")


class SegmenterOutput(NamedTuple):
    """Logits of the heads, fp32 [n, C, H, W], at the size that was asked for."""

    aux: Tensor | None
    """The auxiliary head's; none without one."""

    main: Tensor
    """The main head's, which predictions are made from."""

    features: Tensor | None = None
    """The deepest features [n, d, i, j], in the precision of the network; none if not asked for."""

    detail: Detail | None = None
    """Logits fp32 [n, C, i, j] of a window alone, at its size; see `NetworkOutput`."""


class Normalise(nn.Module):
    """RGB in 0..255 -> what a network was trained on.

    Args:
        mean: subtracted from each channel, in the network's channel order and range.
        std: divides each channel after that.
        bgr: swap red and blue first.
        scale: multiplies 0..255 before the mean is subtracted.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], *, bgr: bool = False, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.bgr = bgr
        self.scale = scale
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: Shaped[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        """Normalised float32 images.

        Args:
            images: RGB in 0..255, uint8 or any float.
        """
        pixels = images.to(self.mean.dtype)
        if images.is_cuda:
            # As the loader hands them out, which makes a GPU the faster: augmentations bring some
            # of them into the other order.
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        if self.bgr:
            pixels = pixels.flip(1)
        return (pixels * self.scale - self.mean) / self.std

    @property
    def mean_colour(self) -> Float[Tensor, "3 1 1"]:
        """RGB in 0..255 of what becomes 0."""
        mean = self.mean / self.scale
        return mean.flip(0) if self.bgr else mean


class EncoderWithHeads(SingleScale):
    """A timm encoder with a decoder and, multi-level, a head on the second-deepest features."""

    def __init__(
        self,
        encoder: Encoder,
        decoder: type[Decoder],
        num_classes: int,
        *,
        width: int | None,
        multi_level: bool,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.channels = encoder.channels[-1]
        self.aux_head = DilatedHead(encoder.channels[-2], num_classes) if multi_level else None
        self.main_head = decoder(encoder.channels, num_classes, width)
        own = decoder.align_corners
        self.align_corners = encoder.patch is None if own is None else own

    def encode(self, image: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """The encoder's features, each with channels and a resolution of its own."""
        features: list[Tensor] = self.encoder(image)
        return features

    def decode(
        self, features: list[Tensor]
    ) -> tuple[Float[Tensor, "n c i j"] | None, Float[Tensor, "n c k l"]]:
        """Auxiliary (or None) and main logits, each at the resolution of its features."""
        aux = None if self.aux_head is None else self.aux_head(features[-2])
        return aux, self.main_head(features)

    @property
    def heads(self) -> list[nn.Module]:
        """The auxiliary head, if there is one, and the main head."""
        return [self.main_head] if self.aux_head is None else [self.aux_head, self.main_head]


class Segmenter(nn.Module):
    """Normalises, segments, upsamples.

    Args:
        network: from normalised images to low-resolution logits.
        normalise: from decoded RGB to what `network` wants.
    """

    def __init__(self, network: Network, normalise: Normalise) -> None:
        super().__init__()
        self.network = network
        self.normalise = normalise
        self._still: list[nn.Module] = []

    def keep_still(self, modules: Sequence[nn.Module]) -> None:
        """Leave modules as they are: not trained, and in evaluation mode in a training, too."""
        self._still += modules
        for module in modules:
            module.requires_grad_(False).eval()

    def train(self: S, mode: bool = True) -> S:
        """Training mode, but for what is kept still."""
        super().train(mode)
        for module in self._still:
            module.eval()
        return self

    def forward(
        self,
        images: Shaped[Tensor, "n 3 h w"],
        size: tuple[int, int] | None = None,
        with_features: bool = False,
    ) -> SegmenterOutput:
        """Logits of each head, fp32, upsampled bilinearly.

        Args:
            images: RGB in 0..255, uint8 or float [n, 3, h, w].
            size: height and width of the logits; the images' own by default.
            with_features: give the deepest features too.
        """
        aux, main, features, detail = self.network(self.normalise(images))
        size = size or (images.shape[2], images.shape[3])
        if detail is not None:
            own = (detail.window.height, detail.window.width)
            detail = detail._replace(logits=self._coarse(detail.logits).upsample(own))
        return SegmenterOutput(
            None if aux is None else self._coarse(aux).upsample(size),
            self._coarse(main).upsample(size),
            features[-1] if with_features else None,
            detail,
        )

    def coarse(self, images: Shaped[Tensor, "n 3 h w"]) -> CoarseLogits:
        """The main head's logits before they are upsampled, for images too large to do so at once.

        Args:
            images: RGB in 0..255, uint8 or float [n, 3, h, w].
        """
        return self._coarse(self.network(self.normalise(images)).main)

    def _coarse(self, logits: Float[Tensor, "n c i j"]) -> CoarseLogits:
        return CoarseLogits(values=at_least_fp32(logits), align_corners=self.network.align_corners)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The trainable parameters as `encoder` and `heads`, for their two learning rates."""
        in_heads = {id(p) for head in self.network.heads for p in head.parameters()}
        trainable = [p for p in self.parameters() if p.requires_grad]
        return {
            "encoder": [p for p in trainable if id(p) not in in_heads],
            "heads": [p for p in trainable if id(p) in in_heads],
        }

    def enable_activation_checkpointing(self, recomputed: Recomputed = "all") -> None:
        """Recompute the encoder's activations in the backward pass; call it once, before training.

        Args:
            recomputed: `all` of them, or those that are `cheap`.

        Raises:
            ConfigError: the encoder has no blocks that could be checkpointed.
        """
        checkpoint_blocks(self.network, recomputed)


def build_segmenter(config: ModelConfig, num_classes: int) -> Segmenter:
    """The segmenter of a config, with random weights or timm's own; `load_weights` has others.

    Args:
        config: which network.
        num_classes: C, the classes of each head.

    Raises:
        ConfigError: the encoder is unknown or unsuited.
    """
    if config.encoder == "deeplab_v2":
        normalise = Normalise(BGR_MEAN, (1.0, 1.0, 1.0), bgr=True)
        published = DeepLabV2(num_classes, config.multi_level, config.head_dilations)
        return _partly_still(Segmenter(published, normalise), config)
    decoder = DECODERS[config.decoder]
    encoder = build_encoder(config, pyramid=decoder.pyramid)
    if config.lora.rank is not None:
        add_adapters(encoder.body, config.lora, config.encoder)
    normalise = Normalise(encoder.mean, encoder.std, scale=1 / 255)
    single = EncoderWithHeads(
        encoder,
        decoder,
        num_classes,
        width=config.decoder_width,
        multi_level=config.multi_level,
    )
    if config.detail_crop is None:
        return _partly_still(Segmenter(single, normalise), config)
    attention = SegFormerDecoder(encoder.channels, num_classes, config.decoder_width)
    network = HRDANetwork(single, attention, config.detail_crop)
    return _partly_still(Segmenter(network, normalise), config)


def _partly_still(segmenter: Segmenter, config: ModelConfig) -> Segmenter:
    """The same segmenter, of whose encoder no more is trained than the config says."""
    network = segmenter.network
    in_heads = {id(module) for head in network.heads for module in head.modules()}
    encoder = [module for module in network.modules() if id(module) not in in_heads]
    if config.frozen_batch_norm:
        segmenter.keep_still([module for module in encoder if isinstance(module, _BatchNorm)])
    if config.lora.rank is not None:
        frozen = {id(p) for p in network.parameters() if not p.requires_grad}
        segmenter.keep_still([module for module in encoder if _is_all_of(module, frozen)])
    trained = config.trained_blocks
    if trained is None:
        return segmenter
    layers = layers_of(network, network.heads)
    if trained >= len(layers):
        raise ConfigError(
            f"model.trained_blocks = {trained}: {config.encoder} has {len(layers) - 1} blocks; "
            "give at most as many, or none to train all of it"
        )
    kept = [parameter for layer in layers[: len(layers) - trained] for parameter in layer]
    for parameter in kept:
        parameter.requires_grad_(False)
    ids = {id(parameter) for parameter in kept}
    segmenter.keep_still([module for module in encoder if _is_all_of(module, ids)])
    return segmenter


def _is_all_of(module: nn.Module, ids: set[int]) -> bool:
    """Whether a module has parameters, and all of them are among these."""
    own = [id(parameter) for parameter in module.parameters()]
    return bool(own) and ids.issuperset(own)
