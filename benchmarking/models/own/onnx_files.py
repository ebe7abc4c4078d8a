"""Read ONNX files: inputs, outputs, and the further files in which some keep their weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from benchmarking.errors import BenchmarkError, WeightsError, requires
from benchmarking.models.signatures import Signature, Tensor, signature_of

if TYPE_CHECKING:
    import onnx

EXTRA = "onnx"

_MOST_BYTES = 2**31 - 1
"""Largest ONNX file, in bytes: the limit of protobuf, its encoding."""

_RANDOM = frozenset(
    {
        *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
        *("Multinomial", "Bernoulli"),
    }
)


def read_signature(path: Path) -> tuple[Signature, tuple[str, ...]]:
    """The signature of a model in an ONNX file, and the names of the files with its weights.

    The weights themselves are not read.

    Raises:
        WeightsError: the file is too large or damaged, or not a classifier in inference mode.
        MissingDependency: onnx is not installed.
    """
    with requires(EXTRA):
        import onnx

    try:
        _refuse_too_large(path)
        model = onnx.load(path, load_external_data=False)
        return _read(path, model)
    except BenchmarkError:
        raise
    except MemoryError as error:
        raise WeightsError(f"{path.name} does not fit into the memory of this machine.") from error
    except Exception as error:  # protobuf has several errors, and any value can be damaged
        raise _damaged(path, error) from error


def _read(path: Path, model: onnx.ModelProto) -> tuple[Signature, tuple[str, ...]]:
    graph = model.graph
    if not graph.node:
        raise _damaged(path, "it contains no operations")
    weights = {one.name for one in graph.initializer}
    inputs = [_tensor(one) for one in graph.input if one.name not in weights]
    signature = signature_of(path.name, inputs, [_tensor(one) for one in graph.output])
    _refuse_training(path, model)
    return signature, _further_files(path, model)


def _refuse_too_large(path: Path) -> None:
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise WeightsError(
            f"{path.name} has {size:,} bytes, and an ONNX file has at most {_MOST_BYTES:,}. Larger "
            "weights are kept in files beside it: onnx.save_model(..., save_as_external_data=True)."
        )


def _damaged(path: Path, reason: object) -> WeightsError:
    text = str(reason).partition("\n")[0].rstrip(".") or type(reason).__name__
    return WeightsError(f"{path.name} is damaged, or is no ONNX file: {text}.")


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    import onnx

    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return Tensor(value.name, str(kind).removesuffix("_type"), ())
    described = value.type.tensor_type
    name = onnx.TensorProto.DataType.Name(described.elem_type).lower()
    dtype = {"float": "float32", "double": "float64"}.get(name, name)
    sides = (one.dim_value if one.HasField("dim_value") else None for one in described.shape.dim)
    # Some exporters write a free side as 0 or -1.
    return Tensor(value.name, dtype, tuple(side if side and side > 0 else None for side in sides))


def _refuse_training(path: Path, model: onnx.ModelProto) -> None:
    """Refuse a model whose output depends on chance or on the other pictures of a batch."""
    import onnx

    truths = {
        one.name
        for one in model.graph.initializer
        if one.data_type == onnx.TensorProto.BOOL and onnx.numpy_helper.to_array(one).all()
    }
    for node in _nodes(model):
        flags = {one.name: one.i for one in node.attribute if one.name == "training_mode"}
        drops = node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] in truths
        if drops or flags.get("training_mode") or node.op_type in _RANDOM:
            raise WeightsError(
                f"{path.name} was exported in training mode: its {node.op_type} makes the output "
                "depend on chance or on the batch. Call model.eval() before the export."
            )


def _further_files(path: Path, model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the files beside an ONNX file in which it keeps tensors, sorted."""
    places = {
        entry.value
        for tensor in _tensors(model)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    for place in sorted(places):
        parts = PurePosixPath(place)
        if parts.is_absolute() or ".." in parts.parts:
            raise WeightsError(
                f"{path.name} keeps weights in {place}, outside its own folder; save the model "
                "again with onnx.save_model."
            )
        if not (path.parent / place).is_file():
            raise WeightsError(
                f"{path.name} keeps weights in {place}, which is missing from {path.parent}; put "
                "it there, or export one file: torch.onnx.export(..., external_data=False)."
            )
    return tuple(sorted(places))


def _graphs(model: onnx.ModelProto) -> Iterator[Any]:
    """The graph, all graphs within it, and the functions, which have nodes as well."""
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for graph in _graphs(model):
        yield from graph.node


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor with values in a model."""
    for graph in _graphs(model):
        yield from getattr(graph, "initializer", ())
        for sparse in getattr(graph, "sparse_initializer", ()):
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                yield from [attribute.t] if attribute.HasField("t") else []
                yield from attribute.tensors
