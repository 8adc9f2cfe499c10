"""A network as a program of torch.export, which needs none of this package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from advent_dist.config import Size
from advent_dist.errors import ExportError
from advent_dist.export.agreement import Agreement, Example, compare, pictures
from advent_dist.export.network import ExportedNetwork, why_one_size
from advent_dist.export.whole_numbers import in_whole_numbers
from advent_dist.runs.trained import TrainedRun

PROGRAM_FILE = "model.pt2"


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a network computes, operation by operation, and what that has to come to."""

    traced: ExportedProgram
    """Takes `images` float32 [n, 3, h, w], RGB in 0..255, of any n; gives logits [n, C, h, w]."""

    size: Size
    """Width, height that the network was evaluated at."""

    one_size: str | None
    """Why it takes no other size; None where it does."""

    examples: list[Example]
    """Pictures of the sizes that it takes, and the network's own logits."""

    @property
    def dynamic(self) -> dict[int, str]:
        """Dimension of images -> its name, of those that may vary."""
        return {0: "batch"} if self.one_size else {0: "batch", 2: "height", 3: "width"}

    def write(self, file: Path) -> Agreement:
        """Write it as a file that `torch.export.load` reads, and run it as its users will.

        Raises:
            ExportError: it can't be written, or what was written computes something else.
        """
        try:
            torch.export.save(self.traced, file)
        except Exception as error:  # of a node that it has no name for
            raise ExportError(
                f"--torch: PyTorch can't write this network's program ({_first_line(error)}); "
                "export without --torch"
            ) from error
        return _compared(torch.export.load(file), self.examples)


def trace(run: TrainedRun, *, read_back: bool) -> Program:
    """A run's network as a program, held to the network itself.

    It takes images of any size, or, where the network's positions or windows are laid out for one
    size, or PyTorch can't follow it otherwise, of `data.evaluation_size` alone.

    Args:
        run: on the CPU.
        read_back: whether it is to be written by `Program.write`, which PyTorch reads back for some
            networks in one size only.

    Raises:
        ExportError: PyTorch can't follow it at all, or the program computes something else.
    """
    size, one_size = run.experiment.data.evaluation_size, why_one_size(run, read_back=read_back)
    network = ExportedNetwork(run.segmenter, run.sliding).eval().requires_grad_(False)
    if one_size is None:
        try:
            return _traced(network, size, None)
        except ExportError:
            raise
        # What PyTorch can't follow, or takes of some sizes only, raises nearly anything.
        except Exception:
            one_size = (
                f"model.encoder = {run.experiment.segmenter.encoder}: torch.export can't follow it "
                "through images of any size"
            )
    try:
        return _traced(network, size, one_size)
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(
            f"model.encoder = {run.experiment.segmenter.encoder}: torch.export can't follow it "
            f"({_first_line(error)}); export without --onnx and --torch"
        ) from error


def _traced(network: ExportedNetwork, size: Size, one_size: str | None) -> Program:
    images = pictures(size, any_size=one_size is None)
    with torch.no_grad():
        examples = [Example(one, network(one)) for one in images]
        dimensions = (0,) if one_size else (0, 2, 3)
        traced = torch.export.export(
            network,
            (_example(size, one_size),),
            dynamic_shapes={"images": dict.fromkeys(dimensions, Dim.DYNAMIC)},
        )
    _without_places(traced)
    in_whole_numbers(traced.graph_module)
    _compared(traced, examples)
    return Program(traced=traced, size=size, one_size=one_size, examples=examples)


def _without_places(traced: ExportedProgram) -> None:
    """Take out where the code of each operation lies on this machine: it would be in the files."""
    for module in traced.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)


def _compared(traced: ExportedProgram, examples: list[Example]) -> Agreement:
    module = traced.module()

    def program(images: Tensor) -> Tensor:
        logits: Tensor = module(images)
        return logits

    with torch.no_grad():
        return compare(program, examples, PROGRAM_FILE)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _example(size: Size, one_size: str | None) -> Tensor:
    """Images to follow the network with; two, since a single one is a case of its own."""
    width, height = size
    # Neither is one as wide as high.
    width += 32 if width == height and one_size is None else 0
    return torch.zeros(2, 3, height, width)
