"""What is exported of a run: pictures in, logits out, all that lies between in the graph."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from advent_dist.config import Sliding
from advent_dist.models.segmenter import EncoderWithHeads, Segmenter
from advent_dist.models.sliding import main_logits
from advent_dist.runs.trained import TrainedRun


class ExportedNetwork(nn.Module):
    """A segmenter with its normalisation, its windows and its upsampling.

    Args:
        segmenter: in eval mode.
        sliding: the windows that images are seen in; none for images as a whole.
    """

    def __init__(self, segmenter: Segmenter, sliding: Sliding | None) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.sliding = sliding

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c h w"]:
        """Logits of the main head, at the size of the images.

        Args:
            images: RGB in 0..255.
        """
        size = (images.shape[2], images.shape[3])
        return main_logits(self.segmenter, images, size, self.sliding)


def why_one_size(run: TrainedRun, *, read_back: bool) -> str | None:
    """Why a program of this network takes images of one size alone; None where it takes any.

    Its field is named, and its value.

    Args:
        run: the network's.
        read_back: whether PyTorch is to read the program from a file, too.
    """
    model, network = run.experiment.segmenter, run.segmenter.network
    if run.sliding is not None:
        width, height = run.sliding.window
        return (
            f"data.evaluation_window = {width} {height}: windows are laid out over images of one "
            "size"
        )
    if model.detail_crop is not None:
        width, height = model.detail_crop
        return f"model.detail_crop = {width} {height}: windows are laid out over images of one size"
    if isinstance(network, EncoderWithHeads) and network.encoder.patch is not None:
        return (
            f"model.encoder = {model.encoder}: a transformer's positions are laid out for images "
            "of one size"
        )
    if read_back and any(_pads_by_size(module) for module in network.modules()):
        return (
            f"model.encoder = {model.encoder}: its padding, TensorFlow's, depends on the size of "
            "images, which --onnx without --torch can express"
        )
    return None


def takes_long(run: TrainedRun) -> bool:
    """Whether PyTorch takes minutes to follow this network through images of any size."""
    one, any_ = (why_one_size(run, read_back=read_back) for read_back in (True, False))
    return one is not None and any_ is None


def _pads_by_size(module: nn.Module) -> bool:
    """Whether it is a strided convolution or pooling with TensorFlow's padding, by timm's names.

    PyTorch follows it through images of any size, in a minute, but has not read such a program of a
    whole network back after five: each layer's size is a formula of those of all before.
    """
    stride = getattr(module, "stride", 1)
    strided = max(stride) > 1 if isinstance(stride, tuple) else stride > 1
    return type(module).__name__.endswith("Same") and strided
