"""PyTorch: eager, with torch.compile, or exported to ONNX and run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, requires
from benchmarking.experiments.speed.ready import LEARNING_RATE, Pixels, Ready, scaled
from benchmarking.models.frameworks._onnx_export import INPUT, onnx_session
from benchmarking.models.loaded import Loaded
from benchmarking.pictures.recipe import Scaling

if TYPE_CHECKING:
    import torch


def modes(framework: str) -> tuple[str, ...]:
    """Its modes."""
    return ("eager", "compiled", "onnxruntime")


def forward(loaded: Loaded, scaling: Scaling, mode: str) -> Ready:
    """The model as it predicts."""
    import torch

    model = _on_device(loaded).eval()
    if mode == "onnxruntime":
        return _exported(model, loaded, scaling)
    called = torch.compile(model) if mode == "compiled" else model

    def run(pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), _precision(loaded):
            logits = called(pixels.to(loaded.device.address))
            return torch.softmax(logits.float(), dim=1)

    return Ready(
        lambda crops: _tensor(scaled(crops, scaling)),
        run,
        "NCHW in the memory order NHWC (channels_last)",
    )


def training(
    loaded: Loaded, mode: str, pixels: Pixels, labels: NDArray[np.int64]
) -> Callable[[], object]:
    """A step of training."""
    import torch

    if mode == "onnxruntime":
        raise BenchmarkError("ONNX Runtime does not train models here; use eager or compiled.")
    model = without_dropout(_on_device(loaded)).train()
    called: Any = torch.compile(model) if mode == "compiled" else model
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    given, right = _tensor(pixels), torch.from_numpy(labels)

    def step() -> torch.Tensor:
        with _precision(loaded):
            logits = called(given.to(loaded.device.address))
            loss = torch.nn.functional.cross_entropy(logits, right.to(loaded.device.address))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def without_dropout(model: torch.nn.Module) -> torch.nn.Module:
    """The model with every rate of dropout and of dropped paths set to zero."""
    for module in model.modules():
        if "drop" in type(module).__name__.lower():
            for rate in ("p", "drop_prob"):
                if hasattr(module, rate):
                    setattr(module, rate, 0.0)
        parameters: Any = getattr(module, "_global_params", None)  # of efficientnet_lite_pytorch
        if parameters is not None and hasattr(parameters, "drop_connect_rate"):
            module._global_params = parameters._replace(drop_connect_rate=0.0)
    return model


def _on_device(loaded: Loaded) -> torch.nn.Module:
    import torch

    model: torch.nn.Module = loaded.model
    return model.to(loaded.device.address, memory_format=torch.channels_last)


def _tensor(pixels: Pixels) -> torch.Tensor:
    """Pictures as (n, 3, height, width), without a change of their order in memory."""
    import torch

    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def _precision(loaded: Loaded) -> AbstractContextManager[Any]:
    """Automatic mixed precision, as `predict` has it; nothing that takes time in full precision."""
    import torch

    shorter = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(loaded.precision)
    if shorter is None:
        return nullcontext()
    kind = loaded.device.address.partition(":")[0]
    found: AbstractContextManager[Any] = torch.autocast(kind, shorter)
    return found


def _exported(model: torch.nn.Module, loaded: Loaded, scaling: Scaling) -> Ready:
    """The model in ONNX Runtime; it takes NCHW, whose memory order is that of its axes."""
    with requires("onnx"):
        import onnxruntime
    import torch

    if loaded.device.kind != "cpu" or loaded.precision != "float32":
        raise BenchmarkError("mode onnxruntime is for float32 on the CPU; use another mode.")
    options = onnxruntime.SessionOptions()
    options.use_deterministic_compute = True
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    session = onnx_session(model, loaded.spec.recipes["published"].crop, options)

    def run(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = session.run(None, {INPUT: pixels})[0]
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
        return found

    return Ready(
        lambda crops: np.ascontiguousarray(scaled(crops, scaling).transpose(0, 3, 1, 2)),
        run,
        "NCHW",
        {"onnxruntime": onnxruntime.__version__},
    )
