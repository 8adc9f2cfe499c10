"""The checks of `benchmarks/gpu.py`, a file and a process each."""
