"""A model that is loaded and ready to run."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from benchmarking import __version__
from benchmarking.errors import BenchmarkError
from benchmarking.models import first_use
from benchmarking.models.frameworks import NO_GPU, Device
from benchmarking.models.sources import (
    framework_of,
    precisions_of,
    source_of,
    sources,
    weights_path,
)
from benchmarking.models.spec import ModelSpec, Predictor
from benchmarking.models.weights import verified_sha256
from benchmarking.pictures.recipe import Scaling


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model that is ready to run.

    Attributes:
        spec: its spec.
        model: the framework's own object.
        device: the device on which it runs.
        sha256: sha256 of its weight file; empty for random weights.
        precision: precision of its forward pass.
    """

    spec: ModelSpec
    model: Any
    device: Device
    sha256: str
    precision: str

    @property
    def batch_size(self) -> int:
        """Pictures per forward pass: as the model fixes it, else the framework's on this device."""
        fixed: int | None = getattr(self.model, "fixed_batch_size", None)
        return fixed or framework_of(self.spec).BATCH_SIZES[self.device.kind]

    def check_batch_size(self, asked: int | None) -> None:
        """Check that the model can be run with this batch size.

        Raises:
            BenchmarkError: it takes another number of pictures only.
        """
        fixed: int | None = getattr(self.model, "fixed_batch_size", None)
        if asked is not None and fixed not in (None, asked):
            raise BenchmarkError(
                f"{self.spec.weights.file} takes exactly {fixed} pictures at once, so the batch "
                f"size cannot be {asked}; leave it out."
            )

    def predictor(self, scaling: Scaling) -> Predictor:
        """The model as a function of (n, h, w, 3) uint8 crops, which it scales itself."""
        return framework_of(self.spec).predictor(self.model, scaling, self.device, self.precision)


def load(
    spec: ModelSpec,
    gpu: int | None,
    *,
    weights_folder: Path | None = None,
    seed: int | None = None,
    precision: str | None = None,
) -> Loaded:
    """Load a model in this process; for the meaning of the arguments see `Job`.

    Raises:
        BenchmarkError: the weights are missing, not the published ones or not those that were used
            before, there is no such GPU, or the model cannot be computed on a GPU or in this
            precision.
    """
    framework = framework_of(spec)
    computed_in, gpu = _precision(spec, precision), _gpu(spec, gpu)
    path = weights_path(spec, weights_folder) if seed is None else None
    sha256 = ""
    if path:  # before the framework sees the file
        sha256 = verified_sha256(path, spec.weights)
        first_use.check(spec, path, sha256)
    device = framework.prepare(gpu, computed_in)
    if seed is not None:
        framework.seed(seed)
    model = source_of(spec).build(spec, path)
    if path:
        first_use.record(spec, sha256)
    return Loaded(spec, model, device, sha256, computed_in)


def _precision(spec: ModelSpec, asked: str | None) -> str:
    known = precisions_of(spec)
    if asked is None:
        return known[0]
    if asked not in known:
        who = "a quantized model" if spec.engine else framework_of(spec).TITLE
        raise BenchmarkError(f"{who} does not compute in {asked} here; it has {', '.join(known)}.")
    return asked


def _gpu(spec: ModelSpec, asked: int | None) -> int | None:
    """The GPU on which a model is to run; quantized models run on the CPU even if there is one."""
    if not spec.engine:
        return asked
    if asked not in (None, NO_GPU):
        raise BenchmarkError(
            f"a quantized model runs on the CPU only, not on GPU {asked}; leave out the GPU."
        )
    return NO_GPU


def model_versions(spec: ModelSpec) -> dict[str, str]:
    """Versions of this package, Python, NumPy and the distributions that source and spec name."""
    found = {"imagenet-benchmarking": __version__, "python": python_version()}
    source = sources().get(spec.built_as.source)  # a user's own model has no source
    for name in ("numpy", *(source.DISTRIBUTIONS if source else ()), *spec.distributions):
        if name in found:
            continue
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
