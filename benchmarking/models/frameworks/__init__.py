"""Frameworks, one module each; `Framework` is the contract of a module."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.models.spec import Predictor
from benchmarking.pictures.recipe import Crops, Scaling
from benchmarking.plugins import discover

NO_GPU = -1
"""Selects the CPU even if there is a GPU."""


@dataclass(frozen=True)
class Device:
    """The device on which a framework computes.

    Attributes:
        address: the framework's name for it, such as "cuda:0".
        kind: "cpu" or "gpu".
        title: its full name, such as "NVIDIA H100 80GB HBM3".
    """

    address: str
    kind: str
    title: str


class Framework(Protocol):
    """How models of one framework are run, regardless of their source.

    A framework, and a source of its models, can also have a function `import_libraries()`, which
    imports what `prepare` and `build` need and does nothing else. A process that is started ahead
    of its first job calls it.
    """

    @property
    def NAME(self) -> str:
        """Its name in specs, such as "pytorch"."""

    @property
    def TITLE(self) -> str:
        """Its name for readers, shown in the table's Platform column."""

    @property
    def MODULES(self) -> tuple[str, ...]:
        """Modules that it imports."""

    @property
    def EXTRA(self) -> str:
        """The extra that installs these modules, or another requirement; see `not_installed`."""

    @property
    def EXECUTOR(self) -> str:
        """Name of the default executor for its jobs."""

    @property
    def PRECISIONS(self) -> tuple[str, ...]:
        """Available precisions of the forward pass; the first one is the default."""

    @property
    def BATCH_SIZES(self) -> Mapping[str, int]:
        """Pictures per forward pass by kind of device, "cpu" and "gpu"."""

    def prepare(self, gpu: int | None, precision: str) -> Device:
        """Set up this process for reproducible results in a precision, and choose its device."""

    def seed(self, number: int) -> None:
        """Make the random values of the next model reproducible."""

    def predictor(self, model: Any, scaling: Scaling, device: Device, precision: str) -> Predictor:
        """The model as a function of uint8 crops (n, h, w, 3) to (n, classes).

        Its values are probabilities, or logits, to which softmax is applied afterwards.
        """

    def layer_outputs(
        self, model: Any, scaling: Scaling, device: Device, crops: Crops
    ) -> Mapping[str, NDArray[np.float32]]:
        """Output of each layer that has weights, by layer name, in order, channels last."""

    def is_out_of_memory(self, error: Exception) -> bool:
        """Whether an error means that the device or the machine is out of memory."""

    def versions(self) -> dict[str, str]:
        """Versions of the libraries that compute the predictions."""


def frameworks() -> dict[str, Framework]:
    """Every framework, by name."""
    return discover(sys.modules[__name__], Framework)


def choose_gpu(asked: int | None, visible: int, who: str) -> int | None:
    """Number of the GPU to use: the requested one, else the first; None for the CPU.

    Raises:
        BenchmarkError: the requested GPU does not exist.
    """
    if asked is None:
        return 0 if visible else None
    if asked == NO_GPU:
        return None
    if not 0 <= asked < visible:
        seen = f"GPUs 0 to {visible - 1}" if visible else "no GPU"
        raise BenchmarkError(
            f"there is no GPU {asked}: {who} sees {seen}. "
            "Without a number it takes the first one, or the CPU where there is none."
        )
    return asked
