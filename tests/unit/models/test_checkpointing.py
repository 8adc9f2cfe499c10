"""Activation checkpointing changes memory and time, and nothing else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from advent_dist.config import ModelConfig
from advent_dist.errors import ConfigError
from advent_dist.models.checkpointing import checkpoint_blocks
from advent_dist.models.segmenter import build_segmenter

ENCODERS = ("deeplab_v2", "test_resnet", "test_efficientnet", "test_convnext", "test_vit")
WAYS = ("all", "cheap")


def train_once(segmenter, images) -> list[torch.Tensor]:
    """Two forwards in one graph and their backward, as in a step of adaptation."""
    outputs = [segmenter(image) for image in images]
    sum((o.main.square().mean() + o.aux.square().mean()) for o in outputs).backward()
    return [output.main.detach() for output in outputs]


@pytest.mark.parametrize("recomputed", WAYS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_outputs_gradients_and_statistics_stay(encoder, recomputed) -> None:
    torch.manual_seed(0)
    plain = build_segmenter(ModelConfig(encoder=encoder), num_classes=3).train()
    checkpointed = copy.deepcopy(plain)
    checkpointed.enable_activation_checkpointing(recomputed)
    images = torch.randint(0, 256, (2, 2, 3, 48, 64), dtype=torch.uint8)

    for ours, theirs in zip(
        train_once(checkpointed, images), train_once(plain, images), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert list(checkpointed.state_dict()) == list(plain.state_dict())
    for (name, ours), theirs in zip(
        checkpointed.named_parameters(), plain.parameters(), strict=True
    ):
        assert (ours.grad is None) == (theirs.grad is None), name
        if theirs.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6, msg=name)
    for (name, ours), theirs in zip(checkpointed.named_buffers(), plain.buffers(), strict=True):
        assert torch.equal(ours, theirs), name


def bytes_kept(encoder: str, way: str | None) -> int:
    """Bytes that a forward pass leaves behind for the backward pass."""
    segmenter = build_segmenter(ModelConfig(encoder=encoder), num_classes=3).train()
    if way is not None:
        segmenter.enable_activation_checkpointing(way)
    image = torch.zeros(1, 3, 64, 64)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        output = segmenter(image)
    assert output.main.requires_grad
    return sum(event.self_cpu_memory_usage for event in seen.key_averages())


@pytest.mark.parametrize("encoder", ENCODERS)
def test_keeps_less_for_the_backward_pass(encoder) -> None:
    plain, cheap, every = (bytes_kept(encoder, way) for way in (None, "cheap", "all"))
    assert every < cheap < 0.9 * plain


@pytest.mark.parametrize("recomputed", WAYS)
def test_only_what_is_dear_runs_once(recomputed) -> None:
    segmenter = build_segmenter(ModelConfig(encoder="test_resnet"), num_classes=3).train()
    segmenter.enable_activation_checkpointing(recomputed)
    output = segmenter(torch.zeros(2, 3, 64, 64))
    loss = output.main.square().mean() + output.aux.square().mean()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        loss.backward()
    ran = {event.key for event in seen.key_averages()}
    assert "aten::native_batch_norm" in ran
    assert ("aten::mkldnn_convolution" in ran) == (recomputed == "all")


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(2, momentum=None)

    def forward(self, x):
        return self.norm(x)


def test_cumulative_statistics_count_a_batch_once() -> None:
    network = nn.Sequential(Block())
    checkpoint_blocks(network)
    norm, batch = network[0].norm, torch.randn(4, 2, 5, 5)
    network(batch).square().sum().backward()
    assert norm.num_batches_tracked == 1
    assert norm.momentum is None
    torch.testing.assert_close(norm.running_mean, batch.mean(dim=(0, 2, 3)))


def test_a_network_without_blocks_is_refused() -> None:
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()), nn.Conv2d(3, 3, 1))
    with pytest.raises(ConfigError, match="activation_checkpointing"):
        checkpoint_blocks(network)
