"""What libraries tell about a GPU: time of a call, largest memory, power and clock.

What they are asked through is a parameter. All of this stands beside the times of the host's clock,
which is the only one that every framework has.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarking.models.frameworks import Device
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import ModelSpec

DeviceClock = Callable[[Callable[[], object]], float]
"""Calls a step once, and returns the seconds that the device needed for it."""


def device_clock(spec: ModelSpec, device: Device) -> DeviceClock | None:
    """A clock of CUDA events; None on a CPU, and for frameworks that do not show their stream.

    A process of TensorFlow may have imported PyTorch to read weights. Its events would then be
    those of an idle stream, so the framework decides, not what is imported.
    """
    if device.kind != "gpu" or "torch" not in framework_of(spec).MODULES:
        return None
    import torch

    return partial(seconds_between_events, torch.cuda, device.address)


def seconds_between_events(cuda: Any, address: str, step: Callable[[], object]) -> float:
    """Seconds between two events around a step, on the stream of its device.

    Args:
        cuda: `torch.cuda`.
        address: the device; events of another one would tell nothing about it.
        step: the work; its output is not copied back.
    """
    with cuda.device(address):
        begin, end = (cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        step()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1000


def largest_memory(
    names: tuple[str, ...], gpu: int | None, modules: Mapping[str, Any] | None = None
) -> int | None:
    """The most memory that a framework has had on its GPU, in bytes; None if it does not tell.

    Args:
        names: modules that the framework imports.
        gpu: number of the GPU; None for the first one.
        modules: imported modules by name; None for those of this process.
    """
    known = sys.modules if modules is None else modules
    for name, ask in _MEMORY.items():
        if name in names and name in known:
            try:
                return ask(known[name], gpu or 0)
            except (AttributeError, LookupError, RuntimeError, TypeError, ValueError):
                return None  # the times of the round are worth more than its memory
    return None


def _in_torch(torch: Any, number: int) -> int:
    return int(torch.cuda.max_memory_allocated(number))


def _in_tensorflow(tensorflow: Any, number: int) -> int:
    """TensorFlow sees only the GPU that was chosen, as its first one."""
    return int(tensorflow.config.experimental.get_memory_info("GPU:0")["peak"])


def _in_jax(jax: Any, number: int) -> int:
    gpus = [device for device in jax.devices() if device.platform == "gpu"]
    return int(gpus[number].memory_stats()["peak_bytes_in_use"])


_MEMORY: Mapping[str, Callable[[Any, int], int]] = {
    "torch": _in_torch,
    "tensorflow": _in_tensorflow,
    "jax": _in_jax,
}


def power_and_clock(device: str) -> dict[str, str]:
    """Power and clock of the GPU now, as NVML tells them, or why they are not known.

    Args:
        device: "cpu" or the name of the accelerator.
    """
    if device == "cpu":
        return {"NVML": "not tried: the device is the CPU"}
    try:
        import pynvml  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return {"NVML": "not tried: nvidia-ml-py is not installed"}
    nvml: Any = pynvml
    try:
        nvml.nvmlInit()
        try:
            return _of_the_only_gpu(nvml)
        finally:
            nvml.nvmlShutdown()
    except nvml.NVMLError as error:
        return {"NVML": f"failed: {error}"}


def _of_the_only_gpu(nvml: Any) -> dict[str, str]:
    """NVML and CUDA may count in another order, so of several GPUs none is taken."""
    n = nvml.nvmlDeviceGetCount()
    if n != 1:
        return {"NVML": f"not asked: which of its {n} GPUs was used is not certain"}
    gpu = nvml.nvmlDeviceGetHandleByIndex(0)
    watts, limit = (
        ask(gpu) / 1000
        for ask in (nvml.nvmlDeviceGetPowerUsage, nvml.nvmlDeviceGetEnforcedPowerLimit)
    )
    clock, most = (
        ask(gpu, nvml.NVML_CLOCK_SM)
        for ask in (nvml.nvmlDeviceGetClockInfo, nvml.nvmlDeviceGetMaxClockInfo)
    )
    return {
        "power at the end": f"{watts:.0f} W of {limit:.0f} W",
        "clock at the end": f"{clock} MHz of {most} MHz",
    }
