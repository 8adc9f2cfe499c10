"""What cards can do at most, by NVIDIA's data sheets: 10^12 operations a second, no sparsity."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.gpu_checks.published import Precision

_PEAKS: tuple[tuple[str, Mapping[Precision, float]], ...] = (
    ("H200 NVL", {"fp32": 60, "TF32": 417.5, "bf16": 835.5}),
    ("H200", {"fp32": 67, "TF32": 494.5, "bf16": 989.5}),
    ("H100 NVL", {"fp32": 60, "TF32": 417.5, "bf16": 835.5}),
    ("H100 PCIe", {"fp32": 51, "TF32": 378, "bf16": 756}),
    ("H100", {"fp32": 67, "TF32": 494.5, "bf16": 989.5}),
    ("A100", {"fp32": 19.5, "TF32": 156, "bf16": 312}),
    ("L40S", {"fp32": 91.6, "TF32": 183, "bf16": 362}),
    ("L4", {"fp32": 30.3, "TF32": 60, "bf16": 121}),
    ("A10", {"fp32": 31.2, "TF32": 62.5, "bf16": 125}),
)
"""What is in a card's name, as CUDA gives it, and its peaks; the first that fits."""


def peak_tflops(card: str, precision: Precision) -> float | None:
    """The peak of a card by its name; None of one that is not in the table."""
    words = card.replace("-", " ").split()
    for name, peaks in _PEAKS:
        if all(word in words for word in name.split()):
            return peaks[precision]
    return None
