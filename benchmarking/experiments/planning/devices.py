"""Which kind of device a sweep would use, without loading a framework."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from benchmarking.inference.executors import executors, is_remote
from benchmarking.inference.plan import Options
from benchmarking.models.frameworks import NO_GPU

Kind = Literal["cpu", "gpu"]

CPU: Final = "cpu"
"""Title of the CPU in stored runs; every other title is that of a GPU."""

ALL = "all"
"""Value of `Options.gpu` for every visible GPU."""

_DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/dev/kfd"))
"""They exist on Linux if there is a driver of NVIDIA or AMD."""

_CARDS = Path("/proc/driver/nvidia/gpus")


def kind_of(gpu: object) -> Kind:
    """The kind of device that a value of `Options.gpu` means.

    None means a GPU if this machine has a driver for one.
    """
    if gpu is None:
        return "gpu" if any(map(Path.exists, _DRIVERS)) else CPU
    chosen = gpu if isinstance(gpu, tuple) else (gpu,)
    return CPU if all(one == NO_GPU for one in chosen) else "gpu"


def processes_of(options: Options) -> int | None:
    """Number of devices that would run models at the same time; None if it is not known yet.

    Workers on the CPU share its cores, so several of them are not faster than one that has all.
    """
    if options.executor and is_remote(executors()[options.executor]):
        return None  # only the cluster knows
    gpu: object = options.gpu
    if gpu == ALL:
        return _visible()
    return len(gpu) if isinstance(gpu, tuple) and NO_GPU not in gpu else 1


def _visible() -> int | None:
    """Number of visible GPUs; None if it is not known without a framework."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return len(list(filter(None, named.split(",")))) or None
    return len(list(_CARDS.iterdir())) if _CARDS.is_dir() else None


def on_one(options: Options) -> Options:
    """The same options for one process, so that a plan does not ask frameworks for their GPUs."""
    gpu: object = options.gpu
    if isinstance(gpu, tuple):
        return replace(options, gpu=gpu[0])
    return replace(options, gpu=0) if gpu == ALL else options
