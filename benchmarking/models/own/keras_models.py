"""Load whole models of Keras (.keras) without running any code from the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarking.errors import WeightsError, requires
from benchmarking.io import zip_files
from benchmarking.models.signatures import Tensor, signature_of
from benchmarking.pictures.recipe import Preprocessing

if TYPE_CHECKING:
    import keras

_LARGEST = 2**26
"""Bytes of a configuration that are read; those of the largest models have a few megabytes."""

_OWN = "keras"
"""The package whose classes a file may name."""


def check_file(path: Path) -> None:
    """Check that a file has a model of Keras's own classes, without Keras.

    Raises:
        WeightsError: it is damaged, or names classes or functions of other packages, whose code is
            not in the file.
    """
    try:
        with zip_files.opened(path) as archive, archive.open("config.json") as file:
            config = json.loads(file.read(_LARGEST))
    except Exception as error:  # archives and JSON can be damaged in many ways
        raise WeightsError(
            f"{path.name} is damaged, or model.save has not written it: {error}."
        ) from error
    for part in _parts(config):
        name, module = part.get("class_name"), part.get("module")
        if name == "Lambda":
            raise WeightsError(
                f"{path.name} has a Lambda layer, and code in a file is not run. {_advice()}"
            )
        # Keras names no module for classes that were registered under a package of the user's.
        is_own = _is_own(module) if module else not part.get("registered_name")
        if name == "function" or not is_own:
            what = part.get("config") if name == "function" else name
            raise WeightsError(
                f"{path.name} uses {what}, which is none of Keras's own classes and functions, and "
                f"a file does not contain its code. {_advice()}"
            )


def load(path: Path, recipe: Preprocessing) -> keras.Model:
    """A whole model, checked to be a classifier that takes the crops of a recipe.

    Raises:
        WeightsError: the file is damaged or has custom objects, the model is no classifier, or it
            does not compute in float32.
        MissingDependency: Keras is not installed.
    """
    with requires("keras"):
        import keras

    check_file(path)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises errors of many kinds for damaged files
        text = str(error).strip().partition("\n")[0]
        raise WeightsError(f"{path.name} cannot be loaded by Keras: {text:.300}") from error
    signature = signature_of(path.name, _tensors(model, "inputs"), _tensors(model, "outputs"))
    signature.check_recipe(recipe)
    if signature.layout == "NCHW":
        raise WeightsError(
            f"{path.name} takes channels first, and Keras runs with channels last here; build the "
            "model with data_format='channels_last'."
        )
    if signature.batch_size not in (None, 1):
        raise WeightsError(
            f"{path.name} takes exactly {signature.batch_size} pictures at once; save it with a "
            "free batch size, keras.Input(shape) without batch_size."
        )
    _refuse_half(path, model)
    if signature.batch_size:
        model.fixed_batch_size = signature.batch_size
    return model


def _parts(document: Any) -> Iterator[dict[str, Any]]:
    """All objects with a class in a configuration."""
    waiting = [document]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _is_own(module: str) -> bool:
    return module == _OWN or module.startswith(f"{_OWN}.")


def _advice() -> str:
    return (
        "Load it in a Python file of your own that has this code, and give that file, such as "
        "--model-file my_model.py."
    )


def _tensors(model: Any, kind: str) -> list[Tensor]:
    found = getattr(model, kind, None) or []
    return [Tensor(one.name, str(one.dtype), tuple(one.shape)) for one in found]


def _refuse_half(path: Path, model: Any) -> None:
    """Refuse mixed precision, as the run would be recorded as float32."""
    layers = list(model.layers)
    types = {str(layer.compute_dtype) for layer in layers if layer.weights}
    if others := sorted(types - {"float32"}):
        raise WeightsError(
            f"{path.name} computes in {', '.join(others)}; build the model again with "
            "keras.config.set_dtype_policy('float32'), load its weights, and save it."
        )
