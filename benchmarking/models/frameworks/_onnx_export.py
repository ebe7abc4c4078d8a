"""Export of a model of PyTorch to ONNX Runtime."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarking.errors import BenchmarkError

if TYPE_CHECKING:
    import torch

INPUT = "pixels"
"""Name of the input: float32 of shape (n, 3, side, side)."""


def onnx_session(model: torch.nn.Module, side: int, options: Any) -> Any:
    """A session of ONNX Runtime on the CPU that computes a model, for any number of pictures.

    Its rounding differs, and tracing could miss a choice that depends on the pictures; whoever
    uses it has to compare.

    Tracing takes a tenth of the time of `torch.export`. PyTorch wants to remove it one day, and it
    does not suit every model, so `torch.export` is the second choice.

    Args:
        model: a model on the CPU, as it predicts.
        side: side of its crops in pixels.
        options: onnxruntime.SessionOptions.

    Raises:
        BenchmarkError: PyTorch cannot export it.
    """
    try:
        return _session(_traced(model, side), side, options)
    except MemoryError:
        raise
    except Exception:  # errors of many kinds; those of the second choice are told
        return _session(_exported(model, side), side, options)


def _traced(model: torch.nn.Module, side: int) -> bytes:
    """The model as ONNX, from the operations that PyTorch carries out for two pictures."""
    import torch

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its end, and of sizes that are constant here
        torch.onnx.export(
            model,
            (torch.zeros(2, 3, side, side),),
            file,
            dynamo=False,
            input_names=[INPUT],
            dynamic_axes={INPUT: {0: "n"}},
        )
    return file.getvalue()


def _exported(model: torch.nn.Module, side: int) -> bytes:
    """The model as ONNX, by `torch.export`."""
    import torch

    with contextlib.redirect_stdout(io.StringIO()):  # it tells its progress
        program = torch.onnx.export(
            model,
            (torch.zeros(2, 3, side, side),),
            dynamo=True,
            input_names=[INPUT],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
    if program is None:
        raise BenchmarkError("PyTorch cannot export the model to ONNX.")
    return bytes(program.model_proto.SerializeToString())


def _session(model: bytes, side: int, options: Any) -> Any:
    """A session that takes one picture as well as three.

    Raises:
        BenchmarkError: the number of pictures is a constant of the model.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    for n in (1, 3):
        logits = session.run(None, {INPUT: np.zeros((n, 3, side, side), np.float32)})[0]
        if logits.shape[0] != n:
            raise BenchmarkError(f"the exported model gives {logits.shape[0]} answers for {n}.")
    return session
