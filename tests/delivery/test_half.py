"""Graphs in half precision: no product reads a transposition, and what is computed stays."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from coldframe.delivery.half import keep_transpositions


def graph() -> onnx.ModelProto:
    """Return (x^T w)^T w, with w [3, 3] and x [2, 3, 3]; the second transposition is read by a sum as well."""
    w = numpy_helper.from_array(np.arange(9, dtype=np.float32).reshape(3, 3), "w")
    nodes = [
        helper.make_node("Transpose", ["x"], ["a"], perm=[0, 2, 1]), helper.make_node("MatMul", ["a", "w"], ["b"]),
        helper.make_node("Transpose", ["b"], ["c"], perm=[0, 2, 1]), helper.make_node("MatMul", ["w", "c"], ["d"]),
        helper.make_node("Add", ["c", "d"], ["y"]),
    ]  # fmt: skip
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, 3])] for name in "xy"]
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(helper.make_graph(nodes, "small", *ends, [w]), opset_imports=opsets, ir_version=10)


def test_products_read_no_transposition_and_compute_the_same() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 3)).astype(np.float32)

    def run(model: onnx.ModelProto) -> object:
        onnx.checker.check_model(model)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, {"x": x})[0]

    model = graph()
    before = run(model)
    assert keep_transpositions(model) == 2
    turned = {name for node in model.graph.node if node.op_type == "Transpose" for name in node.output}
    assert {one.name for one in model.graph.initializer} == {"w", "as_it_is_3"}
    assert not any(set(node.input) & turned for node in model.graph.node if node.op_type == "MatMul")
    np.testing.assert_array_equal(before, run(model))
    assert keep_transpositions(model) == 0
