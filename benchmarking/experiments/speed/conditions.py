"""The conditions of a round: what is set for it, and what the system tells about it."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from statistics import mean

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed.accelerator import power_and_clock
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

PHYSICAL = "physical cores"
"""Name of the fact to how many of them the cores of a round belong: two may be threads of one."""

INSTRUCTIONS = "vector instructions"
"""Name of the fact which of them the processor has: libraries choose their kernels by these."""

SWITCHES = "switches"
"""Name of the fact which variables of the environment change how a framework computes."""

_FRAMEWORKS = ("torch", "tensorflow", "jax", "onnxruntime")

_COMPILER_CACHE = "TORCHINDUCTOR_CACHE_DIR"

_SWITCH = re.compile(
    "(XLA|JAX|TORCHINDUCTOR|ONEDNN|DNNL|MKL|OMP|KMP|GOMP|CUDA|CUBLAS|CUDNN|MALLOC)_.*|"
    "TF_(CUDNN|DETERMINISTIC|DISABLE|ENABLE|FORCE|GPU|MKL|NUM|ONEDNN|USE|XLA)_.*|"
    "PYTORCH_(ALLOC_CONF|CUDA_ALLOC_CONF|NO_CUDA_MEMORY_CACHING|TUNABLEOP_ENABLED)|"
    "NVIDIA_TF32_OVERRIDE|TORCH_ALLOW_TF32_CUBLAS_OVERRIDE|KERAS_BACKEND|GLIBC_TUNABLES|LD_PRELOAD"
)
"""Not all that begin with TF or NVIDIA: TF_VAR_… of Terraform and NVIDIA_API_KEY are secrets."""
_FOLDER = re.compile(".*_(HOME|DIR|PATH|CACHE)")
"""Such variables name a folder of the user, which changes no speed and is nobody's business."""

_VECTORS = (
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "asimd",
    "sve",
)


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
            **power_and_clock(device),
            IMPORTED: _imported(),
            PHYSICAL: physical_cores(chosen),
            INSTRUCTIONS: vector_instructions(),
            SWITCHES: switches(os.environ),
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


def physical_cores(chosen: tuple[int, ...]) -> str:
    """How many physical cores some cores belong to; "unknown" if the system does not tell."""
    found = {_text(_SYSTEM / f"cpu{one}/topology/thread_siblings_list") for one in chosen}
    return UNKNOWN if "" in found or not found else str(len(found))


def vector_instructions() -> str:
    """The vector instructions of the processor; "unknown" if the system does not tell.

    TensorFlow, for one, uses oneDNN by default only where the processor has some of them.
    """
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        name, _, flags = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return " ".join(one for one in _VECTORS if one in flags.split()) or "none"
    return UNKNOWN


def switches(environment: Mapping[str, str]) -> str:
    """Variables that change how a framework computes, with their values; threads are elsewhere."""
    found = (
        f"{name}={value}"
        for name, value in sorted(environment.items())
        if _SWITCH.fullmatch(name) and name not in _THREADS and not _FOLDER.fullmatch(name)
    )
    return ", ".join(found) or "none"


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
