"""Sizes of images in whole numbers: a program with `ceil(height / 2)` in it can't be written."""

from __future__ import annotations

import math
import operator

from torch.fx import GraphModule, Node


def in_whole_numbers(module: GraphModule) -> None:
    """Replace `ceil(a / b)` by `(a + b - 1) // b`, in place, where b is a whole number.

    PyTorch follows the padding of TensorFlow's networks ("same") through the former, and has no
    name for it in a file.
    """
    graph = module.graph
    for node in graph.find_nodes(op="call_function", target=math.ceil):
        quotient = node.args[0]
        if not isinstance(quotient, Node) or quotient.target is not operator.truediv:
            continue
        size, divisor = quotient.args
        if not isinstance(size, Node) or not isinstance(divisor, int):
            continue
        with graph.inserting_before(node):
            raised = graph.call_function(operator.add, (size, divisor - 1))
            whole = graph.call_function(operator.floordiv, (raised, divisor))
        raised.meta["val"] = size.meta["val"] + (divisor - 1)
        whole.meta["val"] = raised.meta["val"] // divisor
        node.replace_all_uses_with(whole)
    graph.eliminate_dead_code()
    module.recompile()
