"""VFM-UDA against numbers of the published code; its head is in test_decoders.py."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from advent_dist.models.mask_token import MaskToken
from tests.golden.student import FOLDER


def test_masked_tokens() -> None:
    """Published after the final LayerNorm, which does not change what it has normalised before."""
    golden = np.load(FOLDER / "vfm_tokens.npz")
    features = torch.from_numpy(golden["features"]).permute(0, 2, 3, 1)
    token = MaskToken(features.shape[-1])
    token.load_state_dict({"token": torch.from_numpy(golden["mask_token"][0])})
    hidden = torch.from_numpy(golden["token_uniform"]).view(2, 10, 10) < 0.7
    for patches in (features, features.flatten(1, 2)):
        masked = token(patches, hidden).view_as(features)
        ours = F.layer_norm(masked, features.shape[-1:]).permute(0, 3, 1, 2)
        np.testing.assert_allclose(ours.detach(), golden["masked_features"], rtol=0, atol=2e-5)
