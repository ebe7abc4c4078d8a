"""Checkpoints of the user's own: the architecture of a listed model, with tensors from a file.

They are not listed, because each is known only by its file; `spec_of_checkpoint` makes the spec.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.io.names import check_name
from benchmarking.io.user_folders import expanded
from benchmarking.models.own import keras_files, state_dicts
from benchmarking.models.sources import source_of, the_spec
from benchmarking.models.spec import ModelSpec, Weights

NAME = "checkpoint"
MODULES: tuple[str, ...] = ()
EXTRA = ""
DISTRIBUTIONS: tuple[str, ...] = ()

_FILLED_BY: Mapping[str, Callable[[Any, Path, ModelSpec], None]] = MappingProxyType(
    {"pytorch": state_dicts.fill, "keras": keras_files.fill}
)
_SUFFIXES = {
    "pytorch": (".pth", ".pt", ".bin", ".ckpt", ".tar", ".safetensors"),
    "keras": (".h5", ".hdf5"),
}

_WHOLE = (".keras", ".onnx", ".pt2", ".py")
"""Suffixes of files that the source `model-file` reads."""


def specs() -> Sequence[ModelSpec]:
    """No models: a checkpoint is known only by its file."""
    return ()


def weights_folder(spec: ModelSpec) -> Path:
    """The folder of the checkpoint."""
    return spec.weights.folder or Path()


def build(spec: ModelSpec, weights: Path | None) -> Any:
    """Build the architecture, and load the tensors of the checkpoint.

    Raises:
        WeightsError: the tensors do not fit the architecture.
        MissingDependency: a library that the architecture needs is not installed.
    """
    model = source_of(spec.built_as).build(spec.built_as, None)
    if weights:
        _FILLED_BY[spec.framework](model, weights, spec)
    return model


def spec_of_checkpoint(
    file: Path | str, architecture: str, *, name: str | None = None, part: str = ""
) -> ModelSpec:
    """The spec of a checkpoint, with the recipes of its architecture and no published accuracy.

    Args:
        file: tensors of PyTorch (.pth, .pt, .bin, .ckpt, .tar or .safetensors) or of Keras
            (.weights.h5 or .h5).
        architecture: a listed model, such as "torchvision/resnet50".
        name: name of the run's model; None uses the name of the file.
        part: which tensors of the file are meant, as the start of their names.

    Raises:
        BenchmarkError: the architecture is not exactly one model, the name is not valid, or the
            file does not exist or is one of another framework.
    """
    path = expanded(file).absolute()
    built_as = the_spec(architecture)
    if built_as.framework not in _FILLED_BY:
        raise BenchmarkError(
            f"{built_as.full_name} is a model of {built_as.framework}; a checkpoint can be of "
            f"{' or '.join(_FILLED_BY)}."
        )
    if built_as.engine:
        raise BenchmarkError(
            f"{built_as.full_name} is quantized, and a checkpoint cannot be loaded into such a "
            "model; name an architecture in floating point."
        )
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise WeightsError(f"{file} {what}; give the checkpoint's file.")
    _check_suffix(path, built_as)
    if part and built_as.framework != "pytorch":
        raise BenchmarkError(
            f"part {part!r} is of a checkpoint of pytorch; a file of {built_as.framework} has only "
            "one set of weights."
        )
    return replace(
        built_as,
        source=NAME,
        name=check_name(name or name_of(path)),
        weights=Weights(NAME, path.name, folder=path.parent, part=part),
        published=None,
        architecture=built_as,
    )


def name_of(path: Path) -> str:
    """A valid name from a file's name, without its suffixes.

    Raises:
        BenchmarkError: nothing remains of the file's name.
    """
    stem = re.sub(r"(\.weights|\.pth)?\.\w+$", "", path.name)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")
    if not name:
        raise BenchmarkError(
            f"no name can be made of {path.name}, which has no letter from A to Z and no digit; "
            "give one with --name, or name= in Python."
        )
    return name


def _check_suffix(path: Path, built_as: ModelSpec) -> None:
    """Refuse a file whose suffix is that of another framework."""
    for framework, suffixes in _SUFFIXES.items():
        if path.suffix.lower() in suffixes and framework != built_as.framework:
            raise WeightsError(
                f"{path.name} has the suffix of a file of {framework}, but {built_as.full_name} is "
                f"a model of {built_as.framework}; name an architecture of {framework}."
            )
    if path.suffix.lower() in _WHOLE:
        raise WeightsError(
            f"{path.name} contains a whole model; give it with --model-file (in Python, in place "
            "of the model), or save its weights alone."
        )
