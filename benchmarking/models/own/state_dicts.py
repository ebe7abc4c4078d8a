"""Find the tensors of a model in a PyTorch checkpoint, whatever prefix their names have.

A checkpoint is a dictionary of tensors, or it contains such dictionaries: "state_dict", "model",
"state_dict_ema" and so on. Wrappers add a prefix to the names of tensors: DataParallel adds
"module.", torch.compile adds "_orig_mod." and Lightning adds "model.". This module joins nested
names with dots, so each part of a checkpoint is identified by a prefix.
"""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any

from benchmarking.errors import WeightsError
from benchmarking.models.spec import ModelSpec

if TYPE_CHECKING:
    import torch

Tensors = Mapping[str, "torch.Tensor"]

_LISTED = 10
"""Number of tensors that an error names."""

_ADVICE = re.compile("Weights only load failed|Please file an issue|Check the documentation")
"""Beginnings of the lines of PyTorch's advice."""

_COUNTER = "num_batches_tracked"
"""A counter of batch normalisation. Predictions do not use it, and old files do not have it."""


def fill(model: torch.nn.Module, path: Path, spec: ModelSpec) -> None:
    """Load the tensors of a checkpoint into a model.

    Args:
        model: the architecture.
        path: a file that torch.save or safetensors has written.
        spec: the model's spec; `spec.weights.part` names the part of the file to use, if any.

    Raises:
        WeightsError: no part of the file fits the model, or several different parts do.
    """
    tensors = dict(_flat(_read(path)))
    if spec.renamed:
        pattern, replacement = spec.renamed
        tensors = {re.sub(pattern, replacement, name): one for name, one in tensors.items()}
    wanted = model.state_dict()
    parameters = dict(model.named_parameters())
    part = _part(tensors, wanted, parameters, path, spec)
    found = {name.removeprefix(part): one for name, one in _below(tensors, part).items()}
    problems = list(_problems(found, wanted))
    if problems:
        raise _does_not_fit(path, spec, part, problems)
    model.load_state_dict(found, strict=False)  # only a counter can be missing


def _read(path: Path) -> Any:
    """Read a file without running any code from it."""
    import numpy as np
    import torch

    if path.suffix.lower() == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise WeightsError(
                f"{path.name} is not an intact safetensors file: {error}."
            ) from error
    # Types of plain values that training scripts save together with the tensors.
    harmless = [argparse.Namespace, PosixPath, np.dtype, type(np.dtype("f4")), type(np.dtype("f8"))]
    harmless += [np._core.multiarray.scalar]  # type: ignore[attr-defined]
    try:
        with torch.serialization.safe_globals(harmless), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported operand" in str(error):
            raise _unreadable(path, error) from error
        raise WeightsError(
            f"{path.name} contains more than tensors and plain values, and it was not run: "
            f"{_reason(error)}. Save the tensors alone: torch.save(model.state_dict(), FILE)."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        if "TorchScript" in str(error):
            raise WeightsError(
                f"{path.name} is a TorchScript program, not a checkpoint; save the tensors of its "
                "model: torch.save(model.state_dict(), FILE)."
            ) from error
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{path.name} cannot be read: it is damaged, or torch.save has not written it "
        f"({type(error).__name__})."
    )


def _reason(error: Exception) -> str:
    """Why PyTorch refuses a file, without PyTorch's advice to run the code in it."""
    match = re.search(r"Unsupported (?:\w+: )?GLOBAL ([\w.]+)", str(error), re.IGNORECASE)
    if match:
        return match[1].rstrip(".")
    lines = [line for line in str(error).splitlines() if line and not _ADVICE.match(line)]
    return lines[0].rstrip(".") if lines else type(error).__name__


def _flat(document: Any, start: str = "", levels: int = 20) -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors in nested dictionaries and lists, with names or positions joined by dots."""
    import torch

    if isinstance(document, list | tuple):
        document = dict(enumerate(document))
    if not isinstance(document, Mapping) or not levels:
        return
    for name, value in document.items():
        if isinstance(value, torch.Tensor):
            yield f"{start}{name}", value
        else:
            yield from _flat(value, f"{start}{name}.", levels - 1)


def _part(
    tensors: Tensors, wanted: Tensors, parameters: Tensors, path: Path, spec: ModelSpec
) -> str:
    """The prefix of the names of the model's tensors.

    A part that has all parameters, but no running statistics, can be a moving average: it cannot be
    loaded, but if its parameters differ from those of another part, the user has to choose.

    Raises:
        WeightsError: no part fits the model, or several parts with different tensors do.
    """
    asked = spec.weights.part
    known = _starts(tensors, wanted)
    starts = [one for one in known if _is_within(one, asked)]
    fitting = [one for one in starts if not _missing(tensors, wanted, one)]
    if not fitting:
        if not tensors:
            raise WeightsError(f"{path.name} contains no tensors.")
        others = [one for one in known if not _missing(tensors, wanted, one)]
        if others and not starts:
            names = ", ".join(repr(one.rstrip(".")) if one else "the file itself" for one in others)
            raise WeightsError(
                f"{path.name} has no part {asked!r} with the tensors of "
                f"{spec.built_as.full_name}; these are in {names}."
            )
        if not starts:
            names = ", ".join(list(tensors)[:_LISTED])
            raise WeightsError(
                f"{path.name} does not fit {spec.built_as.full_name}: no tensor has a name "
                f"of this architecture. The file has {names}{' ...' * (len(tensors) > _LISTED)}"
            )
        return min(starts, key=lambda start: len(_missing(tensors, wanted, start)))
    if not asked and (average := _list_of_parameters(tensors, parameters, fitting[0])):
        raise WeightsError(
            f"{path.name} has tensors for {spec.built_as.full_name} in {fitting[0].rstrip('.')!r}, "
            f"and others of the same shapes in the list {average!r}, perhaps their moving average. "
            "A list cannot be loaded, as its tensors have no names. If the named ones are meant, "
            "choose them with --part, or part= in Python."
        )
    averages = [
        one for one in starts if one not in fitting and not _missing(tensors, parameters, one)
    ]
    for other in (*fitting[1:], *averages):
        compared = wanted if other in fitting else parameters
        if not _are_equal(tensors, compared, fitting[0], other):
            names = " and ".join(repr(one.rstrip(".")) for one in (*fitting, *averages))
            raise WeightsError(
                f"{path.name} has different tensors for {spec.built_as.full_name} in {names}; one "
                "of them may be the moving average. Choose one with --part, or part= in Python."
            )
    return fitting[0]


def _list_of_parameters(tensors: Tensors, parameters: Tensors, start: str) -> str:
    """Name of a list of other parameters than those in a part, in the same order; "" if none."""
    import torch

    lists: dict[str, list[torch.Tensor]] = {}
    for name, tensor in tensors.items():
        before, _, place = name.rpartition(".")
        if place.isdigit():
            lists.setdefault(before, []).append(tensor)
    ours = [tensors[f"{start}{name}"] for name in parameters]
    for name, found in lists.items():
        if [one.shape for one in found] == [one.shape for one in ours] and not all(
            map(torch.equal, found, ours)
        ):
            return name
    return ""


def _starts(tensors: Tensors, wanted: Tensors) -> list[str]:
    """All prefixes of the model's tensor names in the file, in the order of the file."""
    found: dict[str, None] = {}
    for name in tensors:
        pieces = name.split(".")
        for at in range(len(pieces)):
            if ".".join(pieces[at:]) in wanted:
                found[".".join([*pieces[:at], ""]) if at else ""] = None
    return list(found)


def _is_within(start: str, asked: str) -> bool:
    return not asked or f"{start}.".startswith(f"{asked.rstrip('.')}.")


def _missing(tensors: Tensors, wanted: Tensors, start: str) -> list[str]:
    return [n for n in wanted if f"{start}{n}" not in tensors and not n.endswith(_COUNTER)]


def _are_equal(tensors: Tensors, wanted: Tensors, one: str, other: str) -> bool:
    import torch

    names = [name for name in wanted if not name.endswith(_COUNTER)]
    return all(torch.equal(tensors[one + name], tensors[other + name]) for name in names)


def _below(tensors: Tensors, start: str) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(start)}


def _problems(found: Tensors, wanted: Tensors) -> Iterator[str]:
    """A description of each tensor that is missing, unknown, of another shape, or unusable."""
    for name, tensor in wanted.items():
        if name not in found:
            if not name.endswith(_COUNTER):
                yield f"{name} is missing"
        elif found[name].shape != tensor.shape:
            shapes = [" x ".join(map(str, one.shape)) or "1" for one in (found[name], tensor)]
            yield f"{name} is {shapes[0]}; the model has {shapes[1]}"
        elif tensor.is_floating_point() and (why := _unusable(found[name], tensor)):
            yield f"{name} {why}"
    for name in found:
        if name not in wanted:
            yield f"{name} is not in the model"


def _unusable(found: torch.Tensor, wanted: torch.Tensor) -> str:
    """Why a tensor cannot be the weights of a layer, in words; empty if it can.

    PyTorch would copy whole numbers, such as quantized weights without their scale.
    """
    import torch

    if found.is_meta or found.layout != torch.strided or found.is_quantized:
        return "is a tensor without data, sparse or quantized; save it as a plain one"
    if not found.is_floating_point():
        kinds = [str(one.dtype).removeprefix("torch.") for one in (found, wanted)]
        return f"holds {kinds[0]}; the model has {kinds[1]}"
    is_wrong = ~torch.isfinite(found.float()) & torch.isfinite(wanted)
    return "has NaN or infinity" if bool(is_wrong.any()) else ""


def _does_not_fit(path: Path, spec: ModelSpec, part: str, problems: list[str]) -> WeightsError:
    where = f" in {part.rstrip('.')!r}" if part else ""
    more = [f"and {len(problems) - _LISTED} more"] if len(problems) > _LISTED else []
    lines = "\n  ".join([*problems[:_LISTED], *more])
    return WeightsError(
        f"{path.name} does not fit {spec.built_as.full_name}: its tensors{where} have "
        f"{len(problems)} difference{'s' * (len(problems) != 1)}.\n  {lines}"
    )
