"""Models as Python objects: which framework runs them, and the digest of their parameters."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.models.backends import framework_on


def framework_name(model: Any) -> str:
    """Name of the framework that runs a model; "python" for a plain function.

    Raises:
        BenchmarkError: it is a class, or cannot be called.
    """
    if isinstance(model, type):
        raise BenchmarkError(
            f"{model.__name__} is a class; give an instance, {model.__name__}(...)."
        )
    keras: Any = sys.modules.get("keras")
    if keras and isinstance(model, keras.Model):  # on PyTorch, it is also a module of PyTorch
        return framework_on(keras.backend.backend())
    torch: Any = sys.modules.get("torch")
    if torch and isinstance(model, torch.nn.Module):
        return "pytorch"
    if not callable(model):
        raise BenchmarkError(f"{model!r} cannot be called; expected a function or a model.")
    return "python"


def parameters_sha256(model: Any) -> str:
    """The sha256 of a model's parameters and buffers in hex; empty for a plain function.

    Names, types, shapes and values are digested, in the order of the model.
    """
    framework = framework_name(model)
    if framework == "python":
        return ""
    arrays = _of_torch if framework == "pytorch" else _of_keras
    digest = hashlib.sha256()
    for name, kind, values in arrays(model):
        digest.update(f"{name} {kind} {values.shape}\n".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _of_torch(model: Any) -> Iterator[tuple[str, str, NDArray[Any]]]:
    import torch

    for name, tensor in model.state_dict().items():
        if isinstance(tensor, torch.Tensor):
            plain = tensor.detach().cpu().contiguous().reshape(-1)
            shape = tuple(tensor.shape)
            yield f"{name} {shape}", str(tensor.dtype), plain.view(torch.uint8).numpy()


def _of_keras(model: Any) -> Iterator[tuple[str, str, NDArray[Any]]]:
    for variable, values in zip(model.weights, model.get_weights(), strict=True):
        yield variable.path, str(values.dtype), values
