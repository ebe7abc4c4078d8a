"""Compiled models, which are used only if they predict what the plain model predicts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from benchmarking.models.loaded import Loaded
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import ModelSpec, Probabilities
from benchmarking.predictions.top_k import top_k

COMPARED = 64
"""Number of the first pictures that both models predict."""

LARGEST_DIFFERENCE = 1e-5
"""Largest difference of a probability with which a compiled model is used."""

NOT_USED = "not used"
"""The record of a compiler that was not used."""


@dataclass(frozen=True, eq=False)
class Choice:
    """A model, and whether it is compiled.

    Attributes:
        loaded: the model that predicts.
        compiler: name and version of what compiled it, or NOT_USED; empty if nothing was to.
        problem: why it is not compiled, although it was to be; else empty.
    """

    loaded: Loaded
    compiler: str = ""
    problem: str = ""


def can_be_compiled(spec: ModelSpec) -> bool:
    """Whether a model's framework compiles models on request.

    Keras compiles its models anyway. Quantized models have their own kernels.
    """
    return not spec.engine and hasattr(framework_of(spec), "compiled")


def chosen(
    loaded: Loaded,
    compiler: str,
    side: int,
    batch_size: int,
    probabilities: Callable[[Loaded], Probabilities],
) -> Choice:
    """The model with a compiled forward pass; or as it is, and why.

    Compilation needs memory of its own, so that a lack of it is no reason to stop either.

    Args:
        loaded: the model.
        compiler: name of the compiler.
        side: side of its crops in pixels.
        batch_size: pictures of a full batch.
        probabilities: predicts the first pictures with a model.
    """
    framework = cast(Any, framework_of(loaded.spec))
    try:
        model, title = framework.compiled(loaded.model, compiler, side, loaded.device, batch_size)
        fast = replace(loaded, model=model)
        problem = difference(probabilities(loaded), probabilities(fast))
    except Exception as error:  # compilers raise errors of many kinds; the plain model remains
        problem = _in_a_line(error)
    return Choice(loaded, NOT_USED, problem) if problem else Choice(fast, title)


def _in_a_line(error: Exception) -> str:
    """The beginning of an error, without the colours of a terminal; it is recorded."""
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return re.sub(r"\x1b\[[0-9;]*m", "", text)[:200]


def difference(plain: Probabilities, fast: Probabilities) -> str:
    """How two models differ too much on the same pictures; empty if they may replace each other.

    >>> difference(np.array([[0.5, 0.3, 0.2]]), np.array([[0.5, 0.29999, 0.20001]]))
    ''
    >>> difference(np.array([[0.5, 0.3, 0.2]]), np.array([[0.5, 0.2, 0.3]]))
    'the top-5 of 1 of 1 pictures differs, and probabilities differ by up to 0.1'
    """
    k = min(5, plain.shape[1])
    others = int((top_k(plain, k).classes != top_k(fast, k).classes).any(axis=1).sum())
    largest = float(np.abs(plain.astype(np.float64) - fast).max())
    if not others and largest <= LARGEST_DIFFERENCE * (1 + 1e-6):
        return ""
    top = f"the top-5 of {others} of {len(plain)} pictures differs, and " if others else ""
    return f"{top}probabilities differ by up to {largest:.1g}"
