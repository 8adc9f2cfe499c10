"""The training that an adaptation is compared with."""

from __future__ import annotations

from advent_dist.config.methods.detection import (
    DetectorSourceOnlyConfig,
    DetectorSupervisedConfig,
)
from advent_dist.config.methods.supervised import SourceOnlyConfig, SupervisedConfig


def baseline_of(
    method: SupervisedConfig | DetectorSupervisedConfig,
) -> SourceOnlyConfig | DetectorSourceOnlyConfig:
    """Source-only, with the same supervised losses."""
    if isinstance(method, DetectorSupervisedConfig):
        return DetectorSourceOnlyConfig(
            lambda_class=method.lambda_class, lambda_box=method.lambda_box
        )
    return SourceOnlyConfig(
        lambda_seg=method.lambda_seg,
        lambda_seg_aux=method.lambda_seg_aux,
        logit_adjustment=method.logit_adjustment,
    )
