"""PyTorch, with batches and one worker process for a whole sweep."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, requires
from benchmarking.io.user_folders import expanded, home
from benchmarking.models.frameworks import Device, choose_gpu
from benchmarking.models.frameworks._compiled import compiled as compiled
from benchmarking.models.frameworks._quantized import quantized_kernels
from benchmarking.models.spec import Logits, Predictor, PredictorWithLogits, Probabilities
from benchmarking.pictures.recipe import Crops, Scaling

if TYPE_CHECKING:
    import torch

NAME = "pytorch"
TITLE = "PyTorch"
MODULES = ("torch", "PIL")
EXTRA = "pytorch"
EXECUTOR = "worker-process"
PRECISIONS = ("float32", "tf32", "bf16", "fp16")
# On a CPU, batches of 8 are as fast as batches of 32, and the first result comes sooner.
BATCH_SIZES = {"cpu": 8, "gpu": 256}


def checkpoints_folder() -> Path:
    """PyTorch's folder of downloaded weights, which need not exist.

    Raises:
        BenchmarkError: the user's home folder is unknown.
    """
    named, cache = os.environ.get("TORCH_HOME"), os.environ.get("XDG_CACHE_HOME")
    if named:
        return expanded(named) / "hub" / "checkpoints"
    return (expanded(cache) if cache else home("TORCH_HOME") / ".cache") / "torch/hub/checkpoints"


def import_libraries() -> None:
    """Import PyTorch, and do nothing else."""
    _keep_triton_away()
    with requires(EXTRA):
        import torch  # noqa: F401


def prepare(gpu: int | None, precision: str = "float32") -> Device:
    """Set up this process for reproducible results in one precision, and choose its device.

    Args:
        gpu: number of a visible GPU, or None or NO_GPU; see `choose_gpu`.
        precision: one of PRECISIONS; with tf32, tensor cores multiply rounded values; bf16 and
            fp16 use `torch.autocast`. Or int8, for a quantized model.

    Raises:
        BenchmarkError: there is no such GPU, or tf32 is requested on a CPU.
        MissingDependency: PyTorch is not installed.
    """
    keep_freed_memory()
    _keep_triton_away()
    # cuBLAS is deterministic only with a fixed workspace, set before its first handle is created.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with requires(EXTRA):
        import torch

    # The same as use_deterministic_algorithms(True), which also imports the compiler: one second.
    torch.set_deterministic_debug_mode("error")
    # Else every new tensor is filled first, which takes 4 to 19 % of a forward pass on two cores.
    # Only an operation that reads memory that nothing has written could show a difference; the bits
    # of EfficientNet-Lite0, resnet50 and densenet121 are the same.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    number = choose_gpu(gpu, torch.cuda.device_count(), TITLE)
    if number is None and precision == "tf32":
        raise BenchmarkError("tf32 is a mode of GPUs; leave --precision away for the CPU.")
    if number is None:
        return Device("cpu", "cpu", "cpu")
    return Device(f"cuda:{number}", "gpu", torch.cuda.get_device_name(number))


def _keep_triton_away() -> None:
    """Let PyTorch do without Triton in a process that has imported TensorFlow before.

    Else torchvision and torch.compile import Triton, and the process ends with SIGSEGV; seen with
    TensorFlow 2.21 and Triton 3.8. Only torch.compile on a GPU needs Triton.
    """
    if "tensorflow" in sys.modules:
        sys.modules.setdefault("triton", None)  # type: ignore[arg-type]


def seed(number: int) -> None:
    """Make the random values of the next model reproducible."""
    import torch

    torch.manual_seed(number)


def predictor(
    model: torch.nn.Module, scaling: Scaling, device: Device, precision: str = "float32"
) -> Predictor:
    """The model in evaluation mode; crops are scaled on its device, always in float32.

    A model may have the name of the engine of its quantized kernels, as `quantized_engine`.
    """
    import torch

    # The memory layout of the crops; convolutions are up to twice as fast with it.
    layout = torch.channels_last
    model = model.to(device.address, memory_format=layout).eval()
    mean, std = (
        torch.tensor(values, device=device.address).view(1, 3, 1, 1)
        for values in (scaling.mean, scaling.std)
    )
    shorter = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    shortened = torch.autocast(
        device.address.partition(":")[0], shorter, enabled=shorter is not None
    )

    engine: str = getattr(model, "quantized_engine", "")
    unchecked = [True]

    def forward(crops: Crops) -> torch.Tensor:
        with torch.inference_mode(), shortened:
            pixels = torch.from_numpy(crops)
            if device.kind == "gpu":
                pixels = pixels.pin_memory().to(device.address, non_blocking=True)
            pixels = pixels.permute(0, 3, 1, 2).float(memory_format=layout)
            if scaling.channels == "bgr":
                pixels = pixels.flip(1)
            with quantized_kernels(engine):
                logits = model((pixels / scaling.divisor - mean) / std)
            if unchecked:
                _refuse_probabilities(logits)
                unchecked.clear()
            found: torch.Tensor = logits.float()
            return found

    def softmax(logits: torch.Tensor) -> Probabilities:
        with torch.inference_mode():
            probabilities: Probabilities = torch.softmax(logits, dim=1).cpu().numpy()
            return probabilities

    def with_logits(crops: Crops) -> tuple[Probabilities, Logits]:
        logits = forward(crops)
        return softmax(logits), logits.cpu().numpy()

    return PredictorWithLogits(lambda crops: softmax(forward(crops)), with_logits)


def _refuse_probabilities(logits: torch.Tensor) -> None:
    """Refuse a model that ends in softmax: a second softmax would keep only the order."""
    rows = logits.float()
    sums = rows.sum(dim=-1)
    if rows.ndim == 2 and rows.min() >= 0 and (sums - 1).abs().max() < 1e-3:
        raise BenchmarkError(
            "the model's output sums to one, so it seems to end in softmax; give its logits, to "
            "which softmax is applied here."
        )


def layer_outputs(
    model: torch.nn.Module, scaling: Scaling, device: Device, crops: Crops
) -> dict[str, NDArray[np.float32]]:
    """Output of each layer with its own weights, by layer name, in order, channels last."""
    outputs: dict[str, NDArray[np.float32]] = {}

    def remember(name: str, output: torch.Tensor) -> None:
        found = output.detach().float().cpu()
        outputs[name] = (found.permute(0, 2, 3, 1) if found.ndim == 4 else found).numpy().copy()

    handles = [
        layer.register_forward_hook(lambda _, __, output, name=name: remember(name, output))
        for name, layer in model.named_modules()
        if next(layer.parameters(recurse=False), None) is not None
    ]
    try:
        predictor(model, scaling, device)(crops)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error means that the device or the machine is out of memory."""
    said_so = ("can't allocate memory", "not enough memory")  # from its CPU allocators
    return type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in said_so)
    )


def versions() -> dict[str, str]:
    """Versions of the libraries that compute the predictions."""
    import torch

    found = {"torch": str(torch.__version__)}  # unpickling its own type needs torch
    if torch.version.cuda and torch.cuda.is_available():
        found |= {"cuda": torch.version.cuda, "cudnn": str(torch.backends.cudnn.version())}
    return found


def keep_freed_memory() -> None:
    """Let glibc reuse a batch's memory for the next batch; new memory costs time to be zeroed."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        trim_threshold, mmap_threshold, most = -1, -3, 2**30  # names from glibc's malloc.h
        mallopt(trim_threshold, most)
        mallopt(mmap_threshold, most)
