from __future__ import annotations

import torch

from advent_dist.models.decoders.dilated import DilatedHead


def test_sums_all_four_convolutions() -> None:
    head = DilatedHead(5, num_classes=3)
    features = torch.randn(2, 5, 8, 9)
    parts = [convolution(features) for convolution in head.conv2d_list]
    assert len(parts) == 4
    torch.testing.assert_close(head(features), torch.stack(parts).sum(0))


def test_reaches_6_12_18_and_24_pixels_away() -> None:
    head = DilatedHead(1, num_classes=1)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.fill_(1.0 if parameter.ndim == 4 else 0.0)
        impulse = torch.zeros(1, 1, 1, 61)
        impulse[..., 30] = 1
        reached = head(impulse).flatten().nonzero().flatten() - 30
    assert reached.tolist() == [-24, -18, -12, -6, 0, 6, 12, 18, 24]


def test_starts_small() -> None:
    std = torch.cat([c.weight.flatten() for c in DilatedHead(64, 19).conv2d_list]).std()
    torch.testing.assert_close(std.item(), 0.01, rtol=0.05, atol=0)
