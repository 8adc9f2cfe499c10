"""A program as an ONNX file, held to the network by onnxruntime. Only this file imports them."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from advent_dist.errors import ConfigError, ExportError
from advent_dist.export.agreement import Agreement, compare
from advent_dist.export.program import Program

ONNX_FILE = "model.onnx"
INPUT, OUTPUT = "images", "logits"
_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def require_packages() -> None:
    """Refuse to go on without what writes and runs ONNX files.

    Raises:
        ConfigError: a package is missing.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--onnx: {', '.join(missing)} is not installed; pip install 'advent-dist[export]', or "
            "leave --onnx out"
        )


def write_onnx(program: Program, file: Path) -> Agreement:
    """Write a program as ONNX, and run it as its users will.

    Args:
        program: what to write.
        file: where; replaced.

    Raises:
        ExportError: it can't be written as ONNX, or what was written computes something else.
    """
    try:
        with _quiet():
            written = torch.onnx.export(
                program.traced,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamo=True,
                verbose=False,
            )
    # The exporter raises nearly anything at what it can't express.
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(f"--onnx: this network can't be written as ONNX ({said})") from error
    assert written is not None
    graph = written.model.graph
    for value in (graph.inputs[0], graph.outputs[0]):
        assert value.shape is not None
        for dimension, name in program.dynamic.items():
            value.shape[dimension] = name  # in place of s34
    written.save(str(file), external_data=False)
    return _run(file, program)


def _run(file: Path, program: Program) -> Agreement:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])

    return compare(run, program.examples, ONNX_FILE)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter tells its own developers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
