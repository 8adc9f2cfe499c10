"""Networks compiled by `torch.compile`, for what a training repeats: the same few shapes."""

from __future__ import annotations

import sysconfig
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import nn

from advent_dist.errors import ConfigError

# Each size of image, with and without gradients, in training and not, is a graph of its own, and
# PyTorch counts those of all copies of a network together. Beyond its limit of 8 it would go on
# uncompiled without a word.
_MOST_GRAPHS = 64


def compile_network(network: nn.Module) -> None:
    """Have a network's forward pass compiled at its first call with each shape, in place.

    Names, parameters and hooks stay; copies made later are not compiled.

    Args:
        network: any; on its device.

    Raises:
        ConfigError: on a GPU, Python's headers are missing.
    """
    from torch._dynamo import config  # a second of imports, for those who compile

    if any(parameter.is_cuda for parameter in network.parameters()):
        require_headers()

    config.recompile_limit = _MOST_GRAPHS
    network.compile(dynamic=False)


def require_headers() -> None:
    """Whether Triton, which makes kernels for GPUs, finds what its own C code includes.

    Raises:
        ConfigError: it does not, and would fail in the first step with a compiler's words.
    """
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        raise ConfigError(
            f"engine.compile = True: {header} is missing, which Triton compiles with; install "
            "Python's headers (python3-dev) on every node, or set it to False"
        )


def as_written(compiled: bool) -> AbstractContextManager[object]:
    """Networks run uncompiled within: for images of many sizes, each of which would be compiled.

    Args:
        compiled: whether any network is.
    """
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()
