"""Readers of models in files, and of the recipes beside them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarking.models.own import keras_models, onnx_files
from benchmarking.models.own.recipe_files import recipe_in
from benchmarking.pictures.recipe import SCALINGS, Preprocessing
from torture import seeds
from torture.reader import Reader
from torture.seeds import Seed

_RECIPE = Preprocessing("pillow", "bilinear", resize=256, crop=224, scaling=SCALINGS["torch"])


def _recipes(folder: Path) -> Iterable[Seed]:
    scaling = {"divisor": 255, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    document = {**_RECIPE.as_document(), "resize": [224, 230], "scaling": scaling}
    yield seeds.document(folder / "r.json", _RECIPE.as_document())
    yield seeds.document(folder / "r.json", document)
    plain = {name: value for name, value in document.items() if name != "scaling"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in plain.items()]
    lines += ["[scaling]", *(f"{name} = {value}" for name, value in scaling.items())]
    yield seeds.text(folder / "r.toml", "\n".join(lines))


def _read_recipe(path: Path) -> None:
    recipe = recipe_in(path)
    assert recipe.crop >= 1
    assert str(recipe)


def _past_text(data: bytes) -> bool:
    return data.decode()[:1] in ("{", "l")


def _onnx(folder: Path) -> Iterable[Seed]:
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Dropout", ["means", "", "training"], ["kept"]),
        helper.make_node("MatMul", ["kept", "matrix"], ["scores"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, 8, 8])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 1000])
    weights = [numpy_helper.from_array(np.array(False), "training")]
    matrix = numpy_helper.from_array(np.zeros((3, 4), np.float32), "matrix")
    graph = helper.make_graph(nodes, "small", [pixels], [scores], [*weights, matrix])
    data = helper.make_model(graph).SerializeToString()
    yield Seed(folder / "n.onnx", data)
    matrix.ClearField("raw_data")
    matrix.data_location = TensorProto.EXTERNAL
    matrix.external_data.add(key="location", value="n.data")
    (folder / "n.data").write_bytes(bytes(48))
    graph = helper.make_graph(nodes, "small", [pixels], [scores], [*weights, matrix])
    yield Seed(folder / "n.onnx", helper.make_model(graph).SerializeToString())


def _read_onnx(path: Path) -> None:
    signature, beside = onnx_files.read_signature(path)
    assert signature.layout in ("NCHW", "NHWC")
    assert all((path.parent / name).is_file() for name in beside)


def _past_onnx(data: bytes) -> bool:
    import onnx

    return bool(onnx.load_model_from_string(data).graph.node)


def _keras(folder: Path) -> Iterable[Seed]:
    layers = [{"module": "keras.layers", "class_name": name, "registered_name": None}
              for name in ("InputLayer", "Dense")]  # fmt: skip
    config = {"module": "keras", "class_name": "Functional", "config": {"layers": layers}}
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as archive:
            archive.writestr("metadata.json", "{}")
            archive.writestr("config.json", json.dumps(config))
        yield Seed(folder / "n.keras", file.getvalue())


def _read_keras(path: Path) -> None:
    keras_models.check_file(path)


def _past_zip(data: bytes) -> bool:
    return bool(zipfile.ZipFile(io.BytesIO(data)).namelist())


MODELS = (
    Reader(
        "recipes",
        _recipes,
        (_read_recipe,),
        _past_text,
        (b"null", b"-1", b"[[1]]", b'"opencv"', b'"crop"', b"1e999", b"[scaling]", b"true"),
    ),
    Reader(
        "ONNX",
        _onnx,
        (_read_onnx,),
        _past_onnx,
        (b"../n.data", b"/etc/passwd", b"Dropout", b"RandomNormal", b"training_mode"),
        named=lambda path: path.name,
    ),
    Reader(
        "Keras models",
        _keras,
        (_read_keras,),
        _past_zip,
        (b"Lambda", b"function", b"PK\3\4", b"null", b"[" * 2000),
        named=lambda path: path.name,
    ),
)
