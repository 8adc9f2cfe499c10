"""A network as a program of torch.export, which needs none of this package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from advent_dist.errors import ExportError
from advent_dist.export.agreement import Agreement, Example, compare, pictures
from advent_dist.export.image_sizes import ImageSizes, sizes_of
from advent_dist.export.network import ExportedNetwork
from advent_dist.export.whole_numbers import in_whole_numbers
from advent_dist.models.encoder import any_size_followed
from advent_dist.models.sliding import main_logits
from advent_dist.runs.trained import TrainedRun

PROGRAM_FILE = "model.pt2"


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a network computes, operation by operation, and what that has to come to."""

    traced: ExportedProgram
    """Takes `images` float32 [n, 3, h, w], RGB in 0..255, of any n; gives logits [n, C, h, w]."""

    sizes: ImageSizes
    """Which images it takes."""

    examples: list[Example]
    """Pictures of the sizes that it takes, and the network's own logits."""

    @property
    def dynamic(self) -> dict[int, str]:
        """Dimension of images -> its name, of those that may vary."""
        one = self.sizes.why_one is not None
        return {0: "batch"} if one else {0: "batch", 2: "height", 3: "width"}

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

    It takes images of any size, or, where the network is laid out for one size, or PyTorch can't
    follow it otherwise, of `data.evaluation_size` alone.

    Args:
        run: on the CPU.
        read_back: whether it is to be written by `Program.write`, which PyTorch reads back for some
            networks in one size only.

    Raises:
        ExportError: PyTorch can't follow it at all, or the program computes something else.
    """
    sizes = sizes_of(run, read_back=read_back)
    encoder = f"model.encoder = {run.experiment.segmenter.encoder}"
    if sizes.why_one is None:
        try:
            return _traced(run, sizes, guarded=read_back)
        except ExportError:
            raise
        # What PyTorch can't follow, or takes of some sizes only, raises nearly anything.
        except Exception:
            why = f"{encoder}: torch.export can't follow it through images of any size"
            sizes = ImageSizes(own=sizes.own, why_one=why)
    try:
        return _traced(run, sizes, guarded=read_back)
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(
            f"{encoder}: torch.export can't follow it ({_first_line(error)}); export without "
            "--onnx and --torch"
        ) from error


def _traced(run: TrainedRun, sizes: ImageSizes, *, guarded: bool) -> Program:
    """The program, held to the network on images of all sizes that it is tried on.

    Args:
        run: on the CPU.
        sizes: which it is to take.
        guarded: whether it will ask, as a file of PyTorch's does, if images have what PyTorch took
            for granted of the example, such as more than one window a side. What is asked is not
            always needed, and ONNX has no such questions.
    """
    network = ExportedNetwork(run.segmenter, run.sliding).eval().requires_grad_(False)
    dimensions = (0,) if sizes.why_one else (0, 2, 3)
    with torch.no_grad():
        examples = [
            Example(images, main_logits(run.segmenter, images, _size(images), run.sliding))
            for images in pictures(sizes.examples())
        ]
        with any_size_followed():
            traced = torch.export.export(
                network,
                (_example(sizes),),
                dynamic_shapes={"images": dict.fromkeys(dimensions, Dim.DYNAMIC)},
            )
    _without_places(traced)
    in_whole_numbers(traced.graph_module)
    _compared(traced, examples, guarded=guarded)
    return Program(traced=traced, sizes=sizes, examples=examples)


def _without_places(traced: ExportedProgram) -> None:
    """Take out where the code of each operation lies on this machine: it would be in the files."""
    for module in traced.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)


def _compared(
    traced: ExportedProgram, examples: list[Example], *, guarded: bool = True
) -> Agreement:
    module = traced.module(check_guards=guarded)

    def program(images: Tensor) -> Tensor:
        logits: Tensor = module(images)
        return logits

    with torch.no_grad():
        return compare(program, examples, PROGRAM_FILE)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _example(sizes: ImageSizes) -> Tensor:
    """Images to follow the network with; two, since a single one is a case of its own."""
    width, height = sizes.own
    if sizes.why_one is None:
        # Neither is one as wide as high, nor one with a single window or cell a side.
        least = sizes.least or (0, 0)
        width, height = max(width, 2 * least[0] + 32), max(height, 2 * least[1])
        width += 32 if width == height else 0
    return torch.zeros(2, 3, height, width)


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[2], images.shape[3]
