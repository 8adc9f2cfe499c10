"""The frozen encoder whose features a segmenter is to have, too (VFM-UDA++)."""

from __future__ import annotations

from advent_dist.config import ModelConfig, VFMUDAPlusPlusConfig
from advent_dist.errors import CheckpointError, ConfigError
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.models.weights import load_weights


def extractor_config(method: VFMUDAPlusPlusConfig) -> ModelConfig:
    """Its encoder, below the smallest head that there is, which nothing reads."""
    return ModelConfig(
        encoder=method.distill_encoder,
        pretrained=method.distill_pretrained,
        weights=method.distill_weights,
        decoder="linear",
        multi_level=False,
    )


def build_extractor(method: VFMUDAPlusPlusConfig) -> Segmenter:
    """The encoder with its weights, frozen and in evaluation mode.

    Raises:
        ConfigError: there is no such encoder, or there are no such weights.
        CheckpointError: the weights are those of another one.
    """
    config = extractor_config(method)
    try:
        extractor = build_segmenter(config, num_classes=1)
        if config.weights is not None:
            load_weights(extractor, config.weights)
    except (ConfigError, CheckpointError) as error:
        raise of_method(error) from None
    return extractor.requires_grad_(False).eval()


def of_method(error: ConfigError | CheckpointError) -> ConfigError | CheckpointError:
    """The same error, which names the fields of the method."""
    return type(error)(str(error).replace("model.", "method.distill_"))
