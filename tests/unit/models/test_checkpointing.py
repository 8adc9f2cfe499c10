"""Activation checkpointing changes memory and time, and nothing else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from advent_dist.config import ModelConfig
from advent_dist.errors import ConfigError
from advent_dist.models.checkpointing import checkpoint_blocks
from advent_dist.models.segmenter import build_segmenter

ENCODERS = ("deeplab_v2", "test_resnet", "test_efficientnet", "test_convnext", "test_vit")


def train_once(segmenter, images) -> list[torch.Tensor]:
    """Two forwards in one graph and their backward, as in a step of adaptation."""
    outputs = [segmenter(image) for image in images]
    sum((o.main.square().mean() + o.aux.square().mean()) for o in outputs).backward()
    return [output.main.detach() for output in outputs]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_outputs_gradients_and_statistics_stay(encoder) -> None:
    torch.manual_seed(0)
    plain = build_segmenter(ModelConfig(encoder=encoder), num_classes=3).train()
    checkpointed = copy.deepcopy(plain)
    checkpointed.enable_activation_checkpointing()
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


@pytest.mark.parametrize("encoder", ENCODERS[1:])
def test_keeps_less_for_the_backward_pass(encoder) -> None:
    def kept(segmenter) -> int:
        """Bytes that autograd saves for the backward pass, the inputs of blocks aside."""
        sizes = {}

        def pack(tensor):
            sizes[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = segmenter(torch.zeros(1, 3, 64, 64))
        assert output.main.requires_grad
        return sum(sizes.values())

    segmenter = build_segmenter(ModelConfig(encoder=encoder), num_classes=3).train()
    before = kept(segmenter)
    segmenter.enable_activation_checkpointing()
    assert kept(segmenter) < 0.7 * before


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
