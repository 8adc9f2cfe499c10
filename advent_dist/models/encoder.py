"""timm encoders: an image in, feature maps out. Only this file imports timm."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from typing import Any

import huggingface_hub
import timm
import torch
import torch.nn.functional as F
from huggingface_hub.errors import HfHubHTTPError
from jaxtyping import Bool, Float
from timm.layers import pos_embed_sincos
from timm.models import is_model_in_modules
from torch import Tensor, nn

from advent_dist.config import ModelConfig
from advent_dist.errors import ConfigError
from advent_dist.models.mask_token import MaskToken
from advent_dist.models.mix_transformer import MIX_OPTIONS, MIX_TRANSFORMERS

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of weights on the Hugging Face Hub, as timm looks for them."""

_HUB_TIMEOUT_S = 5.0

_PLAIN_TRANSFORMERS = ("vision_transformer", "eva", "deit")

_TWO_STAGES, _FOUR_STAGES = (-2, -1), (-4, -3, -2, -1)
_LAST_THIRD = (Fraction(2, 3), Fraction(1))
_QUARTERS = (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(1))
"""Shares of a plain transformer's blocks, after which its features are taken."""


class Encoder(nn.Module):
    """A timm model reduced to the features that decoders read.

    Args:
        body: a timm model that returns the feature maps, the deepest last.
        channels: channels of each.
        channels_last: the body returns [n, h, w, c], as Swin transformers do.
        patch: height and width in pixels of the patches that a transformer cuts images into; none
            for networks that take any size.
        plain: it is a plain transformer: one resolution, no windows.
        mask_token: what stands for hidden patches, if they can be hidden.
    """

    def __init__(
        self,
        body: Any,
        channels: tuple[int, ...],
        *,
        channels_last: bool = False,
        patch: tuple[int, int] | None = None,
        plain: bool = False,
        mask_token: MaskToken | None = None,
    ) -> None:
        super().__init__()
        # Before the body: it belongs to what comes before the first block.
        self.mask_token = mask_token
        self._hidden: Tensor | None = None
        if mask_token is not None:
            body.patch_embed.register_forward_hook(self._hide)
        self.body: nn.Module = body
        self.channels = channels
        self.channels_last = channels_last
        self.patch = patch
        self.plain = plain
        self.mean: tuple[float, ...] = body.pretrained_cfg["mean"]
        """Of RGB in 0..1: what the images of the pretraining were centred on."""
        self.std: tuple[float, ...] = body.pretrained_cfg["std"]
        """Of RGB in 0..1: what they were divided by."""

    def forward(self, image: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n c i j"]]:
        """The features, the deepest last; two at least.

        Args:
            image: RGB in 0..1, minus `mean`, divided by `std`.
        """
        features = self.body(self._in_patches(image))
        if self.channels_last:
            return [level.permute(0, 3, 1, 2) for level in features]
        return list(features)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the patches of an image of these pixels."""
        assert self.patch is not None
        rows, columns = self.patch
        return _nearest(height, rows), _nearest(width, columns)

    def _in_patches(self, image: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 i j"]:
        """The image at the nearest size that patches tile: features cover all of it, no padding."""
        if self.patch is None:
            return image
        grid = self.grid(*image.shape[2:])
        size = tuple(number * side for number, side in zip(grid, self.patch, strict=True))
        # A program for images of any size must not ask for theirs, and to its own size an image is
        # resized to the bit.
        if not torch.compiler.is_exporting() and image.shape[2:] == size:
            return image
        return F.interpolate(image, size=size, mode="bilinear", align_corners=False)

    @contextmanager
    def hiding(self, hidden: Bool[Tensor, "n i j"]) -> Iterator[None]:
        """For the time being the mask token stands for these patches, at their positions."""
        assert self.mask_token is not None
        self._hidden = hidden
        try:
            yield
        finally:
            self._hidden = None

    def _hide(self, _: nn.Module, __: object, patches: Tensor) -> Tensor:
        """A hook of the body: what is between its patches and their positions.

        Where nothing is hidden the token has the gradient 0. With none at all, ZeRO-3 would add
        what the last pass of a step gives to that of the step before.
        """
        assert self.mask_token is not None
        hidden = self._hidden
        if hidden is None:
            hidden = torch.zeros(patches.shape[:-1], dtype=torch.bool, device=patches.device)
        masked: Tensor = self.mask_token(patches, hidden)
        return masked


def _nearest(side: int, patch: int) -> int:
    """The number of patches that is nearest to a side, at least 1; of two that are, the larger.

    In whole numbers, which torch.export can follow.
    """
    return max(1, (2 * side + patch) // (2 * patch))


@contextmanager
def any_size_followed() -> Iterator[None]:
    """Within, torch.export follows timm's rotary positions through images of any size.

    They divide by `float(size)`, which would be the size of the example.
    """
    pos_embed_sincos.float = torch.sym_float
    try:
        yield
    finally:
        del pos_embed_sincos.float


def build_encoder(config: ModelConfig, *, pyramid: bool = False) -> Encoder:
    """The timm encoder `config.encoder`, random or pretrained.

    Args:
        config: which one.
        pyramid: give the last four stages, of strides 4 to 32 in most networks, or in a plain
            transformer the features after each quarter of its blocks. Else the two deepest, dilated
            to `config.output_stride`.

    Raises:
        ConfigError: timm has no such model, gives no features of it at any image size, or cannot
            get its pretrained weights.
    """
    name = config.encoder
    check_encoder(name)
    if is_model_in_modules(name, _PLAIN_TRANSFORMERS):
        shares = _QUARTERS if pyramid else _LAST_THIRD
        return _plain_transformer(config, shares)
    if config.mask_token:
        raise ConfigError(
            f"model.mask_token = True: {name} is no plain vision transformer, of which patches can "
            "be hidden; give an encoder such as vit_small_patch14_dinov2, or False"
        )
    if pyramid:
        return _stages(config, _FOUR_STAGES, {})
    return _stages(config, _TWO_STAGES, {"output_stride": config.output_stride})


def check_encoder(name: str) -> None:
    """Refuse an encoder that timm does not know; nothing is built.

    Raises:
        ConfigError: there is no such model (with the nearest names).
    """
    known = [*MIX_TRANSFORMERS, *timm.list_models(), *timm.list_pretrained()]
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "see timm.list_models()"
        raise ConfigError(
            f"model.encoder = {name!r}: neither deeplab_v2 nor a model of timm; {hint}"
        )


def check_pretrained(name: str) -> None:
    """Refuse pretrained weights that there are none of, or that can't be fetched from here.

    timm itself asks for a minute. Nothing is downloaded.

    Raises:
        ConfigError: timm knows of no weights of `name`, or has none here and nobody answers.
    """
    weights = None if name in MIX_TRANSFORMERS else timm.get_pretrained_cfg(name)
    if weights is None or not weights.has_weights:
        raise _no_pretrained(name, "none are known")
    hub = weights.hf_hub_id
    if hub is None or any(
        isinstance(huggingface_hub.try_to_load_from_cache(hub, file), str) for file in _HUB_FILES
    ):
        return
    try:
        huggingface_hub.model_info(hub, timeout=_HUB_TIMEOUT_S)
    except HfHubHTTPError:
        return  # somebody answers: what is wrong is seen better by who downloads
    # Its HTTP client's errors have changed with its version.
    except Exception as error:
        raise _no_pretrained(name, str(error)) from None


def _plain_transformer(config: ModelConfig, shares: tuple[Fraction, ...]) -> Encoder:
    """A ViT: features after these shares of its blocks, all through its final norm."""
    model = _create(config, dynamic_img_size=True)
    depth = len(model.blocks)
    indices = [max(0, int(share * depth) - 1) for share in shares]
    model.prune_intermediate_layers(indices, prune_norm=False, prune_head=True)
    # As `forward`: ZeRO-3 gathers the position embedding only of a model that is *called*.
    model.forward = partial(
        model.forward_intermediates, indices=indices, norm=True, intermediates_only=True
    )
    channels = (model.embed_dim,) * len(shares)
    token = MaskToken(model.embed_dim) if config.mask_token else None
    patch = model.patch_embed.patch_size
    return Encoder(model, channels, patch=patch, plain=True, mask_token=token)


def _stages(config: ModelConfig, stages: tuple[int, ...], dilation: dict[str, int]) -> Encoder:
    """A network with stages: some of them, dilated where it knows how to."""
    name = config.encoder
    fixed = timm.get_pretrained_cfg(MIX_TRANSFORMERS.get(name, name)).fixed_input_size
    attempts: list[dict[str, Any]] = [{"dynamic_img_size": True}] if fixed else [dilation, {}]
    for options in attempts:
        try:
            body = _create(config, features_only=True, out_indices=stages, **options)
            patch = body.patch_embed.patch_size if fixed else None
            break
        # What timm raises where an architecture does not know an option, or has no plain patches.
        except (TypeError, AssertionError, NotImplementedError, AttributeError):
            continue
    else:
        if config.drop_path is not None:
            raise ConfigError(
                f"model.drop_path = {config.drop_path}: {name} has no branches that could be left "
                "out; leave it out"
            )
        raise ConfigError(
            f"model.encoder = {name!r}: timm gives no features of it, or only at its own image "
            "size; choose an encoder such as resnet50, convnext_tiny or vit_small_patch16_dinov3"
        )
    return Encoder(
        body,
        tuple(body.feature_info.channels()),
        channels_last=getattr(body, "output_fmt", None) == "NHWC",
        patch=patch,
    )


def _create(config: ModelConfig, **options: object) -> Any:
    name, pretrained = config.encoder, config.pretrained
    if name in MIX_TRANSFORMERS:
        if pretrained:
            raise _no_pretrained(name, "none are known")
        name, options = MIX_TRANSFORMERS[name], options | MIX_OPTIONS
    if config.drop_path is not None:
        options["drop_path_rate"] = config.drop_path
    try:
        return timm.create_model(name, pretrained=pretrained, **options)
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise _no_pretrained(name, str(error)) from None


def _no_pretrained(name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"model.pretrained = True: timm has no weights of {name} or cannot download them "
        f"({reason.splitlines()[0]}); give a local file as model.weights"
    )
