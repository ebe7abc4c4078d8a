"""PyTorch's kernels of quantized models, which compute in int8 on a CPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarking.errors import BenchmarkError

# Of torch.ao.quantization, its tensors and their storage in files, which torchvision's quantized
# models need; of auxiliary classifiers, which its builders do not run; and of random weights.
_HARMLESS = (
    "torch.ao.quantization is deprecated",
    "torch.quantize_per_tensor",
    "TypedStorage is deprecated",
    "must run observer before calling calculate_qparams",
    "The default weight initialization of inception_v3",
)


@contextmanager
def quantized_kernels(engine: str) -> Iterator[None]:
    """Use an engine of quantized kernels; afterwards, PyTorch is in the same state as before.

    Args:
        engine: PyTorch's name for it, such as "fbgemm"; empty for a model in floating point,
            for which nothing changes.

    Raises:
        BenchmarkError: this machine's PyTorch does not have it.
    """
    if not engine:
        yield
        return
    import torch

    kernels = torch.backends.quantized
    if engine not in kernels.supported_engines:
        raise BenchmarkError(
            f"the weights are quantized for the engine {engine!r}, which PyTorch does not have on "
            f"this machine; it has {', '.join(kernels.supported_engines)}. Run the model on a "
            "machine that has it."
        )
    engine_before, mode_before = kernels.engine, torch.get_deterministic_debug_mode()
    kernels.engine = engine
    # Kernels resize their output with quantized_resize_cpu_, which counts as not deterministic only
    # because it leaves new memory as it is; the kernels then write all of it. Only the whole mode
    # can be switched off: warnings of these kernels would not pass through Python's filters.
    torch.set_deterministic_debug_mode("default")
    try:
        with warnings.catch_warnings():
            for message in _HARMLESS:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        torch.set_deterministic_debug_mode(mode_before)
        kernels.engine = engine_before
