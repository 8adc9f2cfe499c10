"""Which sizes of images a program takes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from advent_dist.config import Size
from advent_dist.models.hrda import MULTIPLE, HRDANetwork
from advent_dist.models.segmenter import EncoderWithHeads
from advent_dist.runs.trained import TrainedRun


@dataclass(frozen=True, kw_only=True)
class ImageSizes:
    """Sizes of images that a program takes, of any batch."""

    own: Size
    """Width, height that the network was evaluated at."""

    why_one: str | None = None
    """Why it takes that one alone: a field, its value, and the reason; None where it takes any."""

    least: Size | None = None
    """Width and height of the smallest; None where some dozens of pixels will do."""

    multiple_of: int = 1
    """What both sides must be multiples of."""

    @property
    def said(self) -> str:
        """In words: `this one`, `any`, or which."""
        if self.why_one is not None:
            return "this one"
        least = "" if self.least is None else f" from {self.least[0]}x{self.least[1]} on"
        steps = "" if self.multiple_of == 1 else f", both sides multiples of {self.multiple_of}"
        return f"any{least}{steps}"

    def examples(self) -> list[tuple[int, int, int]]:
        """Three [batch, height, width] that a program is tried on, the first of its own size."""
        width, height = self.own
        if self.why_one is not None:
            return [(batch, height, width) for batch in (2, 1, 3)]
        smaller = tuple(self._allowed(3 * side // 4 | 1, at) for at, side in enumerate(self.own))
        wider = self._allowed(width + width // 4 + 2, 0)
        higher = self._allowed(height + height // 4 + 2, 1)
        other = smaller if smaller != self.own else (width, higher)
        return [(2, height, width), (1, other[1], other[0]), (1, height, wider)]

    def _allowed(self, side: int, at: int) -> int:
        """The side, or one that is taken and nearly as long; of widths at 0, of heights at 1."""
        least = 1 if self.least is None else self.least[at]
        return -(-max(side, least) // self.multiple_of) * self.multiple_of


def sizes_of(run: TrainedRun, *, read_back: bool) -> ImageSizes:
    """Sizes that a program of this network can take, as far as is known before it is tried.

    Args:
        run: the network's.
        read_back: whether PyTorch is to read the program from a file, too.
    """
    experiment, network = run.experiment, run.segmenter.network
    own, crop = experiment.data.evaluation_size, experiment.segmenter.detail_crop
    name, window = "data.evaluation_window", None
    if run.sliding is not None:
        window = run.sliding.window
    elif crop is not None:
        name, window = "model.detail_crop", crop
    if window is not None and (window[0] > own[0] or window[1] > own[1]):
        why = f"{name} = {window[0]} {window[1]}: images of that size have no such window"
        return ImageSizes(own=own, why_one=why)
    if run.sliding is not None:
        # All that the network sees has the size of a window.
        return ImageSizes(own=own, least=window)
    single = network.single if isinstance(network, HRDANetwork) else network
    encoder = f"model.encoder = {experiment.segmenter.encoder}"
    of_timm = single.encoder if isinstance(single, EncoderWithHeads) else None
    if of_timm is not None and of_timm.patch is not None and not of_timm.plain:
        why = f"{encoder}: a transformer's windows are laid out for images of one size"
        return ImageSizes(own=own, why_one=why)
    twice = isinstance(network, HRDANetwork)
    if (read_back or twice) and any(_pads_by_size(module) for module in network.modules()):
        why = f"{encoder}: its padding, TensorFlow's, depends on the size of images, which "
        # Of both resolutions PyTorch has not followed it after eight minutes.
        why += "model.detail_crop has two of" if twice else "--onnx without --torch can express"
        return ImageSizes(own=own, why_one=why)
    return ImageSizes(own=own, least=window, multiple_of=MULTIPLE if twice else 1)


def takes_long(run: TrainedRun) -> bool:
    """Whether PyTorch takes minutes to follow this network through images of any size."""
    one, any_ = (sizes_of(run, read_back=read_back).why_one for read_back in (True, False))
    return one is not None and any_ is None


def _pads_by_size(module: nn.Module) -> bool:
    """Whether it is a strided convolution or pooling with TensorFlow's padding, by timm's names.

    PyTorch follows it through images of any size, in a minute, but has not read such a program of a
    whole network back after five: each layer's size is a formula of those of all before.
    """
    stride = getattr(module, "stride", 1)
    strided = max(stride) > 1 if isinstance(stride, tuple) else stride > 1
    return type(module).__name__.endswith("Same") and strided
