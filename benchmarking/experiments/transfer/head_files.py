"""Step 5, saving and loading a head: as .safetensors, or in a framework's own format.

A .pt file has the state dict of a `torch.nn.Sequential`, and a .keras file a whole
`keras.Sequential`, as `new_head` of `in_pytorch` and `in_keras` makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, StoreError, requires
from benchmarking.experiments.transfer import in_keras, in_pytorch
from benchmarking.experiments.transfer.plan import Head, Training
from benchmarking.io import files, temporary
from benchmarking.predictions import array_file


def save_head(path: Path, head: Head, facts: Mapping[str, Any] | None = None) -> None:
    """Save a head in the format of the path's suffix, and check that it loads with the same bits.

    Args:
        path: a path that ends in one of `HEAD_SUFFIXES`.
        head: the tensors of the head.
        facts: what the head belongs to, such as classes and model; only .safetensors keeps them.

    Raises:
        BenchmarkError: there is no such format, the file cannot be written, or it does not give
            the same bits.
        MissingDependency: the framework of the format is not installed.
    """
    format_ = _format_of(path)
    with temporary.folder() as folder:
        draft = folder / f"head{path.suffix.lower()}"
        format_.write(draft, head, dict(facts or {}))
        _refuse_others(path, head, format_.read(draft, {}))
        files.write_output(path, draft.read_bytes())


def load_head(path: Path, expected: Mapping[str, Any] | None = None) -> dict[str, NDArray[Any]]:
    """Load a head.

    Args:
        path: the file.
        expected: facts that were saved with the head and must be the same; .safetensors only.

    Raises:
        BenchmarkError: there is no such format.
        StoreError: the file does not exist, is damaged, or is the head of something else.
    """
    format_ = _format_of(path)
    if expected and format_ is not _FORMATS[".safetensors"]:
        raise BenchmarkError(
            f"{path} does not say what its head belongs to; save it as .safetensors."
        )
    if not path.is_file():
        raise StoreError(f"{path} is not a file; give the file of a head.")
    return format_.read(path, dict(expected or {}))


@dataclass(frozen=True, eq=False)
class HeadFile:
    """A head to save; for the attributes see `save_head`."""

    path: Path
    head: Head
    facts: Mapping[str, Any]


def saved(file: HeadFile) -> Iterator[str]:
    """Save a head in this process; yield what was checked."""
    save_head(file.path, file.head, file.facts)
    yield f"{file.path}: after loading, {len(file.head)} tensors have the same bits"


@dataclass(frozen=True)
class _Format:
    write: Callable[[Path, Head, dict[str, Any]], None]
    read: Callable[[Path, dict[str, Any]], dict[str, NDArray[Any]]]


def training_of(head: Head, precision: str | None = None) -> Training:
    """The width and the precision of a head; the other values are defaults."""
    width = len(head["hidden.bias"]) if "hidden.bias" in head else 0
    return Training(head=width, precision=precision or head["output.bias"].dtype.name)  # type: ignore[arg-type]


def in_framework(network: Any, head: Head, precision: str | None = None) -> Any:
    """A head as the framework's own object.

    Args:
        network: `in_pytorch` or `in_keras`.
        head: its tensors.
        precision: its type; None for that of the tensors.
    """
    first = head["hidden.kernel" if "hidden.kernel" in head else "output.kernel"]
    made = network.new_head(training_of(head, precision), len(first), len(head["output.bias"]))
    network.fill(made, head)
    return made


def _write_arrays(path: Path, head: Head, facts: dict[str, Any]) -> None:
    array_file.ArrayFile(facts, head).write(path)


def _read_arrays(path: Path, expected: dict[str, Any]) -> dict[str, NDArray[Any]]:
    return dict(array_file.read(path, expected).arrays)


def _write_pytorch(path: Path, head: Head, _: dict[str, Any]) -> None:
    with requires("pytorch"):
        import torch
    torch.save(in_framework(in_pytorch, head).state_dict(), path)


def _read_pytorch(path: Path, _: dict[str, Any]) -> dict[str, NDArray[Any]]:
    with requires("pytorch"):
        import torch
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        parts = {"weight": "kernel", "bias": "bias"}
        found = {}
        for name, value in state.items():
            layer, _, part = name.partition(".")
            found[f"{layer}.{parts[part]}"] = np.ascontiguousarray(value.numpy().T)
        return found
    except Exception as error:  # unpickling a damaged file may raise any
        raise _damaged(path, error) from error


def _write_keras(path: Path, head: Head, _: dict[str, Any]) -> None:
    in_framework(in_keras, head).save(path)


def _read_keras(path: Path, _: dict[str, Any]) -> dict[str, NDArray[Any]]:
    with requires("keras"):
        import keras
    try:
        return in_keras.read(keras.saving.load_model(path, compile=False, safe_mode=True))
    except Exception as error:  # Keras raises errors of many kinds for damaged files
        raise _damaged(path, error) from error


_FORMATS: Mapping[str, _Format] = {
    ".safetensors": _Format(_write_arrays, _read_arrays),
    ".pt": _Format(_write_pytorch, _read_pytorch),
    ".keras": _Format(_write_keras, _read_keras),
}
HEAD_SUFFIXES = tuple(_FORMATS)
"""Suffixes of the formats of a head."""


def _format_of(path: Path) -> _Format:
    found = _FORMATS.get(path.suffix.lower())
    if found is None:
        raise BenchmarkError(
            f"{path} has no suffix of a head; expected one of {', '.join(HEAD_SUFFIXES)}."
        )
    return found


def _refuse_others(path: Path, head: Head, found: Head) -> None:
    """Raise BenchmarkError if a file does not give every tensor with the same bits."""
    for name in dict.fromkeys([*head, *found]):
        one, other = head.get(name), found.get(name)
        same = one is not None and other is not None and one.dtype == other.dtype
        if not same or np.ascontiguousarray(one).tobytes() != np.asarray(other).tobytes():
            raise BenchmarkError(
                f"{path} would not give the same bits of {name} after loading; it is not written."
            )


def _damaged(path: Path, error: Exception) -> StoreError:
    what = str(error).strip().partition("\n")[0]
    return StoreError(f"{path} is damaged, or holds no head: {what:.200}")
