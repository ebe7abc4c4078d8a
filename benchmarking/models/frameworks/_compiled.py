"""Compiled forward passes of PyTorch models: torch.compile, or ONNX Runtime after an export."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from benchmarking.errors import BenchmarkError, requires
from benchmarking.models.frameworks import Device
from benchmarking.models.frameworks._onnx_export import INPUT, onnx_session

if TYPE_CHECKING:
    import torch

COMPILERS = ("torch", "onnxruntime")
"""Names of the compilers: torch.compile with frozen weights, and ONNX Runtime."""


def compiled(
    model: torch.nn.Module, compiler: str, side: int, device: Device, batch_size: int
) -> tuple[torch.nn.Module, str]:
    """The compiled model, and the name and version of what compiled it.

    It computes the same function, but its rounding differs; whoever uses it has to compare.

    Args:
        model: a model that gives logits.
        compiler: one of COMPILERS.
        side: side of its crops in pixels.
        device: the device on which it runs.
        batch_size: pictures of a full batch, the most that the compiled model is called with.

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
        filled_up = _filled_up(call, batch_size)
        return _as_module(filled_up, model), f"torch.compile {torch.__version__}"
    if device.kind != "cpu":
        raise BenchmarkError("ONNX Runtime computes models of PyTorch on the CPU only; use torch.")
    with requires("onnx"):
        import onnxruntime
    found = _as_module(_in_onnxruntime(model, side), model)
    return found, f"onnxruntime {onnxruntime.__version__}"


def _filled_up(
    call: Callable[[torch.Tensor], torch.Tensor], size: int
) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function that fills each batch up with copies of its last picture.

    torch.compile makes other kernels for each number of pictures. Those of a smaller last batch
    would be used without having been compared, and be compiled in the middle of a run.
    """
    import torch

    def filled_up(pixels: torch.Tensor) -> torch.Tensor:
        n = len(pixels)
        if n >= size:
            return call(pixels)
        copies = pixels[-1:].expand(size - n, -1, -1, -1)
        full = torch.cat([pixels, copies]).contiguous(memory_format=torch.channels_last)
        return call(full)[:n]

    return filled_up


def _as_module(
    call: Callable[[torch.Tensor], torch.Tensor], model: torch.nn.Module
) -> torch.nn.Module:
    """A module that calls a function, so that it takes the place of the model."""
    import torch

    class Compiled(torch.nn.Module):  # type: ignore[misc]
        fixed_batch_size = getattr(model, "fixed_batch_size", None)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return call(pixels)

    return Compiled().eval()


def _in_onnxruntime(model: torch.nn.Module, side: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function that computes a model with ONNX Runtime, for any number of pictures."""
    import torch

    from benchmarking.models.frameworks.onnx import session_options

    session = onnx_session(model, side, session_options())

    def call(pixels: torch.Tensor) -> torch.Tensor:
        logits = session.run(None, {INPUT: np.ascontiguousarray(pixels.numpy())})[0]
        return torch.from_numpy(logits)

    return call
