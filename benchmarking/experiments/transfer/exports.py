"""Step 5, saving the trained model: backbone and head in one file, checked after loading.

The model takes scaled pixels and gives logits. Beside it lie its recipe, as
`NAME.recipe.json`, and the names of its classes in order, as `NAME.classes.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, not_installed
from benchmarking.experiments import Model, all_crops, in_fresh_processes
from benchmarking.experiments.transfer import in_keras, in_pytorch
from benchmarking.experiments.transfer.head_files import in_framework
from benchmarking.experiments.transfer.networks import backbone_of, network_of
from benchmarking.experiments.transfer.plan import Head
from benchmarking.io import files, temporary
from benchmarking.models.signatures import Signature, arranged
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.predictions.output_kinds import softmax

TOLERANCE = 1e-4
"""Largest difference of a probability after loading; ONNX Runtime rounds otherwise."""

Run = Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]]
"""A model as a function of scaled pixels to logits (n, classes)."""


@dataclass(frozen=True, eq=False)
class ExportTest:
    """A trained model to export.

    Attributes:
        model: the model whose backbone it has.
        recipe: its preprocessing.
        head: the tensors of its head.
        classes: names of its classes, in order.
        pictures: a few pictures, on which the file must give the same answers.
        probabilities: the trained model's predictions for them, (n, classes).
        path: the file to write, .pt2, .onnx or .keras.
    """

    model: Model
    recipe: Preprocessing
    head: Head
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    probabilities: NDArray[np.floating[Any]]
    path: Path


@dataclass(frozen=True)
class Exported:
    """A file that gives the answers of the trained model.

    Attributes:
        path: the file.
        n: number of pictures on which it was compared.
        difference: largest difference of a probability, in [0, 1].
    """

    path: Path
    n: int
    difference: float

    def __str__(self) -> str:
        return (
            f"{self.path}: after loading, probabilities of {self.n} pictures differ by at most "
            f"{self.difference:.1e}"
        )


def export(test: ExportTest) -> Exported:
    """Export a trained model in a process of its own.

    Raises:
        BenchmarkError: the model's framework does not write this format, a library is missing, or
            the file does not give the same answers.
    """
    check_format(test)
    (found,) = in_fresh_processes(f"exporting {test.path.name}", exported, [test], 1)
    made: Exported = found
    return made


def check_format(test: ExportTest) -> None:
    """Raise BenchmarkError if the model's framework does not write files of this suffix."""
    network = network_of(test.model.spec).NAME
    own = [suffix for suffix, one in _FORMATS.items() if one.network == network]
    if test.path.suffix.lower() not in own:
        raise BenchmarkError(
            f"{test.path} has no suffix of a format that {test.model.spec.full_name} can be "
            f"exported to; expected {' or '.join(own)}."
        )


def exported(test: ExportTest) -> Iterator[Exported]:
    """Export a trained model in this process; see `export`."""
    backbone = backbone_of(test.model)
    network = backbone.network
    whole = network.whole(backbone.module, in_framework(network, test.head, "float32"))
    format_ = _FORMATS[test.path.suffix.lower()]
    crops = all_crops(test.pictures, test.recipe, test.model.workers)
    pixels = arranged(crops, test.recipe.scaling, _input(format_.layout))
    with temporary.folder() as folder:
        draft = folder / f"model{test.path.suffix.lower()}"
        format_.write(whole, draft, pixels)
        difference = max(
            _difference(test.path, _probabilities(run, pixels), test.probabilities)
            for run in (_ORIGINAL[network.NAME](whole), format_.load(draft))
        )
        files.write_output(test.path, draft.read_bytes())
    _write_beside(test)
    yield Exported(test.path, len(crops), difference)


def _difference(path: Path, found: NDArray[np.float64], right: NDArray[np.floating[Any]]) -> float:
    """Largest difference of a probability.

    Raises:
        BenchmarkError: it is more than rounding.
    """
    difference = float(np.abs(right - found).max())
    if not difference <= TOLERANCE:
        raise BenchmarkError(
            f"{path} would give other answers than the trained model: a probability differs by "
            f"{difference:.1e}, and at most {TOLERANCE:.0e} is rounding; it is not written."
        )
    return difference


@dataclass(frozen=True)
class _Format:
    """How a trained model is written and loaded.

    Attributes:
        network: NAME of the module of the framework that writes it.
        layout: order of the axes of its pixels.
        write: writes a whole model, for pixels such as these.
        load: loads the file with the library that defines it.
    """

    network: str
    layout: str
    write: Callable[[Any, Path, NDArray[np.float32]], None]
    load: Callable[[Path], Run]


def _write_program(whole: Any, path: Path, pixels: NDArray[np.float32]) -> None:
    import torch

    torch.export.save(_program(whole, pixels), path)


def _write_onnx(whole: Any, path: Path, pixels: NDArray[np.float32]) -> None:
    import torch

    for library in ("onnx", "onnxscript", "onnxruntime"):
        if not find_spec(library):
            raise not_installed(library, "export")
    torch.onnx.export(
        _program(whole, pixels),
        (),
        path,
        input_names=["pixels"],
        output_names=["logits"],
        external_data=False,
        verbose=False,
    )


def _program(whole: Any, pixels: NDArray[np.float32]) -> Any:
    """The model as a program of torch.export that takes any number of pictures."""
    import torch

    batch = torch.export.Dim("batch")
    example = (torch.from_numpy(pixels[:2]),)
    return torch.export.export(whole.cpu().eval(), example, dynamic_shapes=({0: batch},))


def _write_keras(whole: Any, path: Path, _: NDArray[np.float32]) -> None:
    whole.save(path)


def _of_pytorch(model: Any) -> Run:
    import torch

    def run(pixels: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        with torch.inference_mode():
            found: NDArray[np.floating[Any]] = model(torch.from_numpy(pixels)).numpy()
        return found

    return run


def _of_keras(model: Any) -> Run:
    import keras

    return lambda pixels: np.array(keras.ops.convert_to_numpy(model(pixels, training=False)))


def _load_program(path: Path) -> Run:
    import torch

    return _of_pytorch(torch.export.load(path).module())


def _load_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda pixels: np.asarray(session.run(["logits"], {"pixels": pixels})[0])


def _load_keras(path: Path) -> Run:
    import keras

    return _of_keras(keras.saving.load_model(path, compile=False, safe_mode=True))


_ORIGINAL: Mapping[str, Callable[[Any], Run]] = {
    in_pytorch.NAME: lambda whole: _of_pytorch(whole.cpu().eval()),
    in_keras.NAME: _of_keras,
}
_FORMATS: Mapping[str, _Format] = {
    ".pt2": _Format(in_pytorch.NAME, "NCHW", _write_program, _load_program),
    ".onnx": _Format(in_pytorch.NAME, "NCHW", _write_onnx, _load_onnx),
    ".keras": _Format(in_keras.NAME, "NHWC", _write_keras, _load_keras),
}
EXPORT_SUFFIXES = tuple(_FORMATS)
"""Suffixes of the formats of a trained model."""


def _probabilities(run: Run, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    return softmax(run(pixels).astype(np.float64))


def _input(layout: Any) -> Signature:
    """An input of any number of float32 pictures of any size."""
    return Signature("", "pixels", "logits", layout, "float32", None, None, None)


def _write_beside(test: ExportTest) -> None:
    for suffix, document in (
        (".recipe.json", test.recipe.as_document()),
        (".classes.json", list(test.classes)),
    ):
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        files.write_output(test.path.with_suffix(suffix), text.encode("utf-8", "surrogateescape"))
