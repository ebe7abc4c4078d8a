"""Compiled models, which are used only if they predict what the plain model predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np

from benchmarking.models.loaded import Loaded
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import Probabilities
from benchmarking.predictions.top_k import top_k

COMPARED = 64
"""Number of the first pictures that both models predict."""

LARGEST_DIFFERENCE = 1e-5
"""Largest difference of a probability with which a compiled model is used."""

NOT_USED = "not used: "
"""How the record of a compiler begins that was not used; the reason follows."""


def can_be_compiled(loaded: Loaded) -> bool:
    """Whether a model's framework compiles models on request.

    Keras compiles its models anyway. Quantized models have their own kernels.
    """
    plain = loaded.precision == "float32" and not loaded.spec.engine
    return plain and hasattr(framework_of(loaded.spec), "compiled")


def chosen(
    loaded: Loaded,
    compiler: str,
    side: int,
    probabilities: Callable[[Loaded], Probabilities],
) -> tuple[Loaded, str]:
    """The model with a compiled forward pass, and what compiled it; or the model, and why not.

    Args:
        loaded: the model.
        compiler: name of the compiler.
        side: side of its crops in pixels.
        probabilities: predicts the first pictures with a model.
    """
    framework = cast(Any, framework_of(loaded.spec))
    try:
        model, title = framework.compiled(loaded.model, compiler, side, loaded.device)
        fast = replace(loaded, model=model)
        problem = difference(probabilities(loaded), probabilities(fast))
    except Exception as error:  # compilers raise errors of many kinds; the plain model remains
        if isinstance(error, MemoryError) or framework.is_out_of_memory(error):
            raise
        problem = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
    return (loaded, f"{NOT_USED}{problem}") if problem else (fast, title)


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
