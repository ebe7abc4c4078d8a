"""Small classifiers in ONNX files; their outputs are computed by NumPy as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarking.pictures.recipe import Scaling

MATRIX = np.random.default_rng(5).normal(size=(3, 1000)).astype(np.float32) * 9
"""Logits of the classes for each channel's mean."""

SHAPES = {"NCHW": ["n", 3, 8, 8], "NHWC": ["n", 8, 8, 3]}


def expected(crops: np.ndarray, scaling: Scaling, matrix: np.ndarray = MATRIX) -> np.ndarray:
    """Probabilities that a small model gives for crops."""
    pixels = crops.astype(np.float64)
    pixels = pixels[..., ::-1] if scaling.channels == "bgr" else pixels
    scaled = (pixels / scaling.divisor - scaling.mean) / scaling.std
    powers = np.exp(scaled.mean(axis=(1, 2)) @ matrix)
    return powers / powers.sum(axis=1, keepdims=True)


def small_onnx(
    path: Path,
    *,
    layout: str = "NCHW",
    dtype: int = TensorProto.FLOAT,
    shape: list[object] | None = None,
    matrix: np.ndarray = MATRIX,
    last: str = "Identity",
    more: tuple[onnx.NodeProto, ...] = (),
    inputs: tuple[str, ...] = (),
    outputs: tuple[str, ...] = (),
    kind: int = TensorProto.FLOAT,
    external: str = "",
) -> Path:
    """Write a classifier: the mean of each channel, multiplied by a matrix.

    Args:
        path: the file.
        layout: order of the axes of its input.
        dtype: type of its input.
        shape: shape of its input, if it is not the usual one of the layout.
        matrix: (3, classes).
        last: the last operation, such as "Softmax".
        more: further nodes.
        inputs: names of further inputs.
        outputs: names of further outputs.
        kind: type of its output.
        external: name of the file that gets the matrix.
    """
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "matrix"], ["product"]),
        helper.make_node(last, ["product"], ["last"]),
        helper.make_node("Cast", ["last"], ["scores"], to=kind),
        *more,
    ]
    weights = [
        numpy_helper.from_array(np.array(axes), "axes"),
        numpy_helper.from_array(matrix, "matrix"),
        numpy_helper.from_array(np.array(0.5, np.float32), "ratio"),
        numpy_helper.from_array(np.array(True), "true"),
        numpy_helper.from_array(np.array([1, matrix.shape[1]]), "shape"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [
            value("pixels", dtype, shape or SHAPES[layout]),
            *(value(name, TensorProto.FLOAT, [1]) for name in inputs),
        ],
        [
            value("scores", kind, ["n", matrix.shape[1]]),
            *(value(name, TensorProto.FLOAT, ["n", 3]) for name in outputs),
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    beside = {"location": external, "size_threshold": 100} if external else {}
    onnx.save_model(model, path, save_as_external_data=bool(external), **beside)
    return path
