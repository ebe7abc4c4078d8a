"""Frameworks, one module each: how a model of theirs is run, the same for every source.

A module has NAME, TITLE (the table's Platform), MODULES (what it imports), EXTRA (which installs
them), EXECUTOR (how its jobs are isolated), PRECISIONS (the first is the default), BATCH_SIZES by
kind of device ("cpu", "gpu"), `prepare(gpu, precision) -> Device`, `seed(number)`,
`predictor(model, scaling, device, precision) -> Predictor`, `layer_outputs(model, scaling, device,
crops)`: what each layer with weights says, by its name, `is_out_of_memory(error)` and `versions()`.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarking.errors import BenchmarkError

CONTRACT = (
    *("NAME", "TITLE", "MODULES", "EXTRA", "EXECUTOR", "PRECISIONS", "BATCH_SIZES"),
    *("prepare", "seed", "predictor", "layer_outputs", "is_out_of_memory", "versions"),
)

NO_GPU = -1
"""Asks for the CPU even where there is a GPU."""


@dataclass(frozen=True)
class Device:
    """Where a framework computes.

    Attributes:
        address: the framework's own name for it, such as "cuda:0".
        kind: "cpu" or "gpu".
        title: what it is, such as "NVIDIA H100 80GB HBM3".
    """

    address: str
    kind: str
    title: str


def choose_gpu(asked: int | None, visible: int, who: str) -> int | None:
    """Number of the GPU to use: the one asked for, else the first; None for the CPU.

    Raises:
        BenchmarkError: there is no GPU of the number asked for.
    """
    if asked is None:
        return 0 if visible else None
    if asked == NO_GPU:
        return None
    if not 0 <= asked < visible:
        seen = f"GPUs 0 to {visible - 1}" if visible else "no GPU"
        raise BenchmarkError(
            f"there is no GPU {asked}: {who} sees {seen}. "
            "Without --gpu it takes the first one, or the CPU where there is none."
        )
    return asked
