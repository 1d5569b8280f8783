"""ONNX graphs in half precision that onnxruntime opens: releases up to 1.32 at least end the process on some of them.

A processor has no half-precision product, so onnxruntime casts what enters one. Where that is a transposed activation, it swaps
the cast and the transposition (its ``MatmulTransposeFusion``), and the pass behind it follows a null pointer. A reshape to the
same shape between the two, which copies nothing, keeps them apart.
"""

from __future__ import annotations

from typing import Any


def keep_transpositions(model: Any) -> int:
    """Put a reshape to the same shape between each transposition and the product that reads it; return how many.

    Args:
        model: an ``onnx.ModelProto``, changed in place. It computes what it computed.
    """
    import numpy as np
    from onnx import NodeProto, helper, numpy_helper

    graph = model.graph
    turned = [node for node in graph.node if node.op_type == "Transpose" and node.attribute]
    ranks = {node.output[0]: len(node.attribute[0].ints) for node in turned}
    nodes: list[Any] = []
    used: set[int] = set()
    for node in graph.node:
        for place, name in enumerate(node.input):
            if node.op_type in ("MatMul", "Gemm") and name in ranks:
                kept, rank = f"{node.output[0]}_transposed_{place}", ranks[name]
                nodes.append(helper.make_node("Reshape", [name, f"as_it_is_{rank}"], [kept]))
                node.input[place] = kept
                used.add(rank)
        nodes.append(NodeProto.FromString(node.SerializeToString()))
    found = len(nodes) - len(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(np.zeros(rank, np.int64), f"as_it_is_{rank}") for rank in sorted(used))
    return found
