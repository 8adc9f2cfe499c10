"""Set before PyTorch starts computing."""

from __future__ import annotations

import os

# The same instructions on every CPU, wherever in memory its operands lie, so that stored losses are
# the same on every machine.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")
os.environ.setdefault("MKL_CBWR", "AVX2,STRICT")
