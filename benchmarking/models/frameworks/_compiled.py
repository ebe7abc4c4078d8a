"""Compiled forward passes of PyTorch models: torch.compile, or ONNX Runtime after an export."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarking.errors import BenchmarkError, requires
from benchmarking.models.frameworks import Device

if TYPE_CHECKING:
    import torch

COMPILERS = ("torch", "onnxruntime")
"""Names of the compilers: torch.compile with frozen weights, and ONNX Runtime."""


def compiled(
    model: torch.nn.Module, compiler: str, side: int, device: Device
) -> tuple[torch.nn.Module, str]:
    """The compiled model, and the name and version of what compiled it.

    It computes the same function, but its rounding differs; whoever uses it has to compare.

    Args:
        model: a model that gives logits.
        compiler: one of COMPILERS.
        side: side of its crops in pixels.
        device: the device on which it runs.

    Raises:
        BenchmarkError: the compiler is unknown, or cannot run on this device.
        MissingDependency: ONNX Runtime is not installed.
    """
    import torch

    if compiler not in COMPILERS:
        raise BenchmarkError(
            f"there is no compiler {compiler!r}; there are {', '.join(COMPILERS)}."
        )
    model = model.to(device.address, memory_format=torch.channels_last).eval()
    if compiler == "torch":
        # With frozen weights, batch normalisation is folded into convolutions.
        call = torch.compile(model, options={"freezing": True})
        return _as_module(call), f"torch.compile {torch.__version__}"
    if device.kind != "cpu":
        raise BenchmarkError("ONNX Runtime computes models of PyTorch on the CPU only; use torch.")
    with requires("onnx"):
        import onnxruntime
    return _as_module(_in_onnxruntime(model, side)), f"onnxruntime {onnxruntime.__version__}"


def _as_module(call: Callable[[torch.Tensor], torch.Tensor]) -> torch.nn.Module:
    """A module that calls a function, so that it takes the place of the model."""
    import torch

    class Compiled(torch.nn.Module):  # type: ignore[misc]
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return call(pixels)

    return Compiled().eval()


def _in_onnxruntime(model: torch.nn.Module, side: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function that computes a model with ONNX Runtime, for any number of pictures.

    Tracing takes a tenth of the time of `torch.export`. PyTorch wants to remove it one day, and it
    does not suit every model, so `torch.export` is the second choice.
    """
    import torch

    try:
        session = _session(_traced(model, side), side)
    except MemoryError:
        raise
    except Exception:  # errors of many kinds; those of the second choice are told
        session = _session(_exported(model, side), side)

    def call(pixels: torch.Tensor) -> torch.Tensor:
        logits = session.run(None, {"pixels": np.ascontiguousarray(pixels.numpy())})[0]
        return torch.from_numpy(logits)

    return call


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
            input_names=["pixels"],
            dynamic_axes={"pixels": {0: "n"}},
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
            input_names=["pixels"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
    if program is None:
        raise BenchmarkError("PyTorch cannot export the model to ONNX.")
    return bytes(program.model_proto.SerializeToString())


def _session(model: bytes, side: int) -> Any:
    """A session of ONNX Runtime, which takes one picture as well as three.

    Raises:
        BenchmarkError: the number of pictures is a constant of the model.
    """
    import onnxruntime

    from benchmarking.models.frameworks.onnx import session_options

    session: Any = onnxruntime.InferenceSession(
        model, session_options(), providers=["CPUExecutionProvider"]
    )
    for n in (1, 3):
        logits = session.run(None, {"pixels": np.zeros((n, 3, side, side), np.float32)})[0]
        if logits.shape[0] != n:
            raise BenchmarkError(f"the exported model gives {logits.shape[0]} answers for {n}.")
    return session
