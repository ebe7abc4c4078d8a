"""Other backends of Keras than TensorFlow, and the sources of the models that run on them.

A source whose name ends in "keras" has models of Keras. They also run on every other backend that
has a framework, as models of further sources: keras/VGG16 is keras-jax/VGG16 on JAX.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarking.errors import BenchmarkError
from benchmarking.models.frameworks import frameworks
from benchmarking.models.spec import ModelSpec

if TYPE_CHECKING:
    from benchmarking.models.sources import Source

KERAS = "keras"
"""Name of the framework of the listed models of Keras."""

TENSORFLOW = "tensorflow"
"""Its backend."""


def other_backends() -> tuple[str, ...]:
    """The backends of Keras with a framework of their own, such as "jax"."""
    start = f"{KERAS}-"
    return tuple(name.removeprefix(start) for name in frameworks() if name.startswith(start))


def has_backends(source: str) -> bool:
    """Whether a source has models of Keras, by its name."""
    return source == KERAS or source.endswith(f"-{KERAS}")


def listed_source(source: str) -> str:
    """The source that lists the models of a source, which may be of another backend.

    >>> listed_source("efficientnet-lite-keras-jax"), listed_source("keras"), listed_source("mine")
    ('efficientnet-lite-keras', 'keras', 'mine')
    """
    for backend in other_backends():
        listed = source.removesuffix(f"-{backend}")
        if listed != source and has_backends(listed):
            return listed
    return source


def framework_on(backend: str) -> str:
    """Name of the framework that runs models of Keras on a backend.

    Raises:
        BenchmarkError: there is none.
    """
    if backend == TENSORFLOW:
        return KERAS
    if backend not in other_backends():
        known = ", ".join((TENSORFLOW, *other_backends()))
        raise BenchmarkError(f"models of Keras do not run on {backend} here; backends are {known}.")
    return f"{KERAS}-{backend}"


def on_backend(spec: ModelSpec, backend: str) -> ModelSpec:
    """A listed model of Keras, run on another backend."""
    if backend == TENSORFLOW:
        return spec
    return replace(spec, source=f"{spec.source}-{backend}", framework=framework_on(backend))


@dataclass(frozen=True)
class OnBackend:
    """A source of models of Keras that run on another backend; it satisfies `Source`.

    Attributes:
        listed: the source that lists and builds the models.
        backend: name of the backend.
    """

    listed: Source
    backend: str

    @property
    def NAME(self) -> str:
        """Name of the source."""
        return f"{self.listed.NAME}-{self.backend}"

    @property
    def MODULES(self) -> tuple[str, ...]:
        """Modules that it imports, besides its framework."""
        return self.listed.MODULES

    @property
    def EXTRA(self) -> str:
        """The extra that installs these modules."""
        return self.listed.EXTRA

    @property
    def DISTRIBUTIONS(self) -> tuple[str, ...]:
        """Distributions whose versions can change the model."""
        return self.listed.DISTRIBUTIONS

    def specs(self) -> Sequence[ModelSpec]:
        """The models of the listed source that are models of Keras."""
        return tuple(
            on_backend(spec, self.backend)
            for spec in self.listed.specs()
            if spec.framework == KERAS
        )

    def weights_folder(self, spec: ModelSpec) -> Path:
        """The folder of its weight files."""
        return self.listed.weights_folder(spec)

    def build(self, spec: ModelSpec, weights: Path | None) -> Any:
        """The model on the backend that runs in this process."""
        return self.listed.build(spec, weights)
