"""The conditions of a round: what is set for it, and what the system tells about it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from statistics import mean

from benchmarking.errors import BenchmarkError
from benchmarking.io.names import UNKNOWN
from benchmarking.io.prefetch import cores
from benchmarking.models.frameworks.pytorch import keep_freed_memory
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import ModelSpec
from benchmarking.predictions.speed_runs import Conditions

_BUSY = 0.25
"""Load average per core above which other programs disturb."""

_SYSTEM = Path("/sys/devices/system/cpu")
_THREADS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"),
)
"""Variables that PyTorch, NumPy, TensorFlow and XLA read when they are imported."""

IMPORTED = "imported"
"""Name of the fact which frameworks a process has imported."""

COMPILED = "compiled code"
"""Name of the fact where a process has compiled code from, FRESH or CACHED."""

FRESH, CACHED = "none before", "from an earlier round"

_FRAMEWORKS = ("torch", "tensorflow", "jax", "onnxruntime")

_COMPILER_CACHE = "TORCHINDUCTOR_CACHE_DIR"


def restrict(threads: int, compiler_cache: Path | None) -> tuple[int, ...]:
    """Let this process use so many cores and threads, in every framework; before it imports one.

    glibc keeps freed memory, as `predict` has it for PyTorch: else each new batch is zeroed by the
    kernel, which may cost one framework half of its speed and another one nothing.

    Args:
        threads: number of cores and threads.
        compiler_cache: folder for what torch.compile makes, so that no earlier use of this machine
            shortens the first call; None for the user's.

    Returns:
        The numbers of the cores.
    """
    check_threads(threads)
    for name in _THREADS:
        os.environ[name] = str(threads)
    if compiler_cache:
        os.environ[_COMPILER_CACHE] = str(compiler_cache)
    keep_freed_memory()
    if not hasattr(os, "sched_setaffinity"):
        return ()
    chosen = sorted(os.sched_getaffinity(0))[:threads]
    os.sched_setaffinity(0, chosen)
    return tuple(chosen)


def check_threads(threads: int) -> None:
    """Check that there are as many cores as threads.

    Raises:
        BenchmarkError: there are fewer, so that threads would wait for each other.
    """
    if not 1 <= threads <= cores():
        raise BenchmarkError(
            f"{threads} threads on {cores()} cores would wait for each other; give --threads from "
            f"1 to {cores()}."
        )


def conditions_of(
    chosen: tuple[int, ...], before: tuple[float, ...], load: float, layout: str, device: str
) -> Conditions:
    """The conditions of the round that this process has measured.

    Args:
        chosen: the cores, from `restrict`.
        before: the clocks before the round, from `megahertz`.
        load: load average before the round.
        layout: memory layout of the pictures.
        device: "cpu" or the name of the accelerator.
    """
    return Conditions(
        process_id=os.getpid(),
        cores=chosen,
        threads=_threads(),
        determinism="required, as in predict",
        layout=layout,
        allocator=_allocator(),
        governor=governor(),
        megahertz=(*before, *megahertz()),
        load=load,
        others={
            **accelerator(device),
            IMPORTED: ", ".join(n for n in _FRAMEWORKS if n in sys.modules),
        },
    )


def machine() -> str:
    """Name of the processor, number of its cores, and the system."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def versions(spec: ModelSpec, mode: str) -> dict[str, str]:
    """Versions of the libraries that a side runs with, read without importing them."""
    names = [*framework_of(spec).MODULES, "numpy"]
    names += ["jaxlib"] * ("jax" in names) + ["onnxruntime"] * (mode == "onnxruntime")
    found = {"python": python_version()}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def governor() -> str:
    """The frequency governor of the first core."""
    return _text(_SYSTEM / "cpu0/cpufreq/scaling_governor") or UNKNOWN


def megahertz() -> tuple[float, ...]:
    """Mean clock of all cores now; () if the system does not tell."""
    files = _SYSTEM.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    found = [float(text) / 1000 for text in map(_text, files) if text.isdigit()]
    if not found:
        lines = _text(Path("/proc/cpuinfo")).splitlines()
        found = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return (round(mean(found), 1),) if found else ()


def load_average() -> float:
    """Load average of the last minute: processes that want to run; 0 if the system has none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0


def busy() -> str:
    """A warning that other programs use this machine; "" if they hardly do."""
    load, n = load_average(), cores()
    if load <= _BUSY * n:
        return ""
    return (
        f"other programs use this machine (load {load:.1f} on {n} cores); its times will be noisy, "
        "and not equally so for all frameworks"
    )


def peak_memory() -> int | None:
    """The largest resident memory of this process, in bytes.

    From /proc where there is one: what `getrusage` tells begins with the memory of the parent.
    """
    for line in _text(Path("/proc/self/status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource  # Windows has none

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def device_memory() -> int | None:
    """The largest memory that PyTorch has had on an accelerator, in bytes; None for others."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return int(torch.cuda.max_memory_allocated()) or None


def accelerator(device: str) -> Mapping[str, str]:
    """Clock and power of the first GPU as NVML tells them, or why they are not known."""
    if device == "cpu":
        return {"NVML": "not tried: the device is the CPU"}
    try:
        import pynvml  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return {"NVML": "not tried: pynvml is not installed"}
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        watts = pynvml.nvmlDeviceGetPowerUsage(handle) / 1000
        clock = pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)
    except pynvml.NVMLError as error:
        return {"NVML": f"failed: {error}"}
    return {"power": f"{watts:.0f} W", "clock": f"{clock} MHz"}


def _processor() -> str:
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or UNKNOWN


def _threads() -> str:
    """What the frameworks of this process report."""
    found = [f"{_THREADS[0]}={os.environ.get(_THREADS[0], UNKNOWN)}"]
    torch, tensorflow = sys.modules.get("torch"), sys.modules.get("tensorflow")
    if torch:
        found.append(f"torch {torch.get_num_threads()}")
    if tensorflow:
        found.append(f"tensorflow {os.environ.get('TF_NUM_INTRAOP_THREADS', UNKNOWN)}")
    return ", ".join(found)


def _imported() -> str:
    return ", ".join(name for name in _FRAMEWORKS if name in sys.modules)


def _allocator() -> str:
    if sys.platform != "linux":
        return "the system's"
    preloaded = os.environ.get("LD_PRELOAD", "")
    return f"preloaded {preloaded}" if preloaded else "glibc, keeps freed memory up to 1 GiB"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
