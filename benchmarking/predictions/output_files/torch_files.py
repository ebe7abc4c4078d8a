"""Outputs in .pt files: a tensor, a list of tensors, or tensors and lists of text by name.

They are read with `weights_only`, so that no code in them is run.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, requires
from benchmarking.io.files import open_regular
from benchmarking.predictions.output_files.numpy_files import BROKEN, check_size
from benchmarking.predictions.output_files.outputs import CLASSES, Outputs, Wanted
from benchmarking.predictions.output_files.plain_arrays import outputs_among, outputs_of

_EXPECTED = (
    "expected a tensor, or a dict such as {'logits': tensor, 'names': list of text}, saved with "
    "torch.save"
)


def read(path: Path, wanted: Wanted) -> Outputs:
    """Read outputs.

    Raises:
        MissingDependency: PyTorch is not installed.
        BenchmarkError, OSError: the file is broken, or has something else.
    """
    found = _loaded(path)
    if _are_outputs_and_labels(found):
        found = dict(zip(("outputs", "labels"), found, strict=True))
    if isinstance(found, Mapping):
        return outputs_among(_arrays(found), wanted)
    return outputs_of(_array(found), wanted)


def _loaded(path: Path) -> Any:
    with requires("pytorch"):
        import torch
    with open_regular(path) as file:
        is_zip = _is_archive(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats of pickle
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise BenchmarkError(
            f"it holds other objects than tensors and text, which could run code; {_EXPECTED}"
        ) from error
    except Exception as error:  # a broken file can raise anything
        raise BenchmarkError(f"it is no whole .pt file ({type(error).__name__})") from error


def _is_archive(file: BinaryIO) -> bool:
    """Whether a file is a zip, as those of PyTorch are since 1.6; it must not be too large.

    Raises:
        BenchmarkError: it is a broken zip, or too large when unpacked.
    """
    try:
        if not zipfile.is_zipfile(file):
            return False
        with zipfile.ZipFile(file) as archive:
            check_size(archive)
        return True
    except BROKEN as error:
        raise BenchmarkError(f"it is no whole .pt file: {error}") from error


def _are_outputs_and_labels(found: Any) -> bool:
    """Whether these are two tensors, (n, classes) outputs and (n,) labels."""
    import torch

    if not isinstance(found, list | tuple) or len(found) != 2:
        return False
    if not all(isinstance(one, torch.Tensor) for one in found):
        return False
    outputs, labels = found
    is_pair = (outputs.ndim, labels.ndim) == (2, 1) and len(outputs) == len(labels)
    return is_pair and not labels.is_floating_point()


def _arrays(found: Mapping[Any, Any]) -> dict[str, NDArray[Any]]:
    """The arrays among named values; of other values, a number is none."""
    arrays = {}
    for name, value in found.items():
        if isinstance(value, list | tuple) and value and isinstance(value[0], str):
            arrays[str(name)] = np.array(value, dtype=np.str_)
        elif not isinstance(value, str | int | float | None):
            arrays[str(name)] = np.atleast_1d(_array(value))
    return arrays


def _array(found: Any) -> NDArray[Any]:
    """A tensor as an array; the tensors of a list are those of consecutive batches or pictures."""
    import torch

    if isinstance(found, list | tuple) and found:
        if all(isinstance(one, int | float) for one in found):
            return np.array(found)
        if not all(isinstance(one, torch.Tensor) for one in found):
            raise BenchmarkError(f"it holds a list of {type(found[0]).__name__}; {_EXPECTED}")
        widths = {tuple(one.shape[1:]) for one in found}
        if len(widths) != 1 or any(one.is_floating_point() for one in found) != all(
            one.is_floating_point() for one in found
        ):
            shapes = ", ".join(str(tuple(one.shape)) for one in found[:3])
            raise BenchmarkError(f"it holds tensors of different shapes ({shapes}); {_EXPECTED}")
        is_row = found[0].ndim == 1 and len(found[0]) == CLASSES
        found = torch.stack(list(found)) if is_row or not found[0].ndim else torch.cat(list(found))
    if not isinstance(found, torch.Tensor):
        raise BenchmarkError(f"it holds a {type(found).__name__}; {_EXPECTED}")
    if found.is_meta:
        raise BenchmarkError("it holds a tensor without data, on the device 'meta'")
    if found.is_sparse or found.is_quantized or found.is_complex():
        raise BenchmarkError(f"it holds a tensor of {found.layout}, {found.dtype}; save floats")
    if found.is_floating_point() and found.dtype not in (torch.float32, torch.float64):
        found = found.float()  # NumPy has no bfloat16
    array: NDArray[Any] = found.detach().numpy()
    return array
