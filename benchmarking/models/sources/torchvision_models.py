"""Every ImageNet classifier of torchvision, from the enums of its weights.

A bare name such as `resnet50` means the weights IMAGENET1K_V1; other weights are part of the name,
as in `resnet50.IMAGENET1K_V2`. Quantized models have no such weights, so theirs are always named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarking.errors import BenchmarkError, WeightsError, requires
from benchmarking.models.frameworks import pytorch
from benchmarking.models.frameworks._quantized import quantized_kernels
from benchmarking.models.sources._torchvision_enums import entries
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.models.torchvision_entries import Entry
from benchmarking.pictures.recipe import recipe_from

if TYPE_CHECKING:
    import torch

Tensors = Mapping[str, "torch.Tensor"]

NAME = "torchvision"
MODULES = ("torchvision",)
EXTRA = "pytorch"
DISTRIBUTIONS = ("torchvision",)

_OF_2019 = {
    *("alexnet", "densenet121", "densenet161", "densenet169", "densenet201", "inception_v3"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("squeezenet1_0", "squeezenet1_1", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn"),
    *("vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
}
"""The models of the table of 2019, which have a second recipe."""

# Checkpoints of DenseNet from before PyTorch 0.4 have dots in names where modules can no longer
# have them. No other model has such names.
_DOTTED = (r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.", r"\1\2.")


@cache
def specs() -> tuple[ModelSpec, ...]:
    """The models, by name."""
    return tuple(map(_spec, entries()))


def weights_folder(spec: ModelSpec) -> Path:
    """PyTorch's folder of downloaded weights."""
    return pytorch.checkpoints_folder()


def import_libraries() -> None:
    """Import torchvision, and do nothing else."""
    with requires(EXTRA):
        import torchvision  # noqa: F401


def build(spec: ModelSpec, weights: Path | None) -> torch.nn.Module:
    """Build the model with weights from a file, or with random weights.

    torchvision's own builder does this: it knows the arguments and the names of tensors that belong
    to these weights. Only the download is replaced. A quantized model with random weights is
    calibrated by the builder with random input.

    Raises:
        WeightsError: the file contains more than tensors, or its tensors do not fit the model.
        BenchmarkError: the installed torchvision does not have these weights, or this machine's
            PyTorch not the engine for which they are quantized.
        MissingDependency: torchvision is not installed.
    """
    with requires(EXTRA):
        import torchvision

    architecture = spec.name.removesuffix(f".{spec.weights.name}")
    try:
        entry = torchvision.models.get_model_weights(architecture)[spec.weights.name]
    except (KeyError, ValueError) as error:
        raise BenchmarkError(
            f"torchvision {torchvision.__version__} has no weights {spec.weights.name} of "
            f"{architecture}; install a version that has them."
        ) from error
    special: dict[str, Any] = {"quantize": True} if spec.engine else {}
    with quantized_kernels(spec.engine):
        if weights is None:
            return _built(entry, architecture, None, **special)
        try:
            return _built(entry, architecture, _tensors(weights), **special)
        except (RuntimeError, AttributeError, TypeError, KeyError) as error:
            raise WeightsError(f"{weights} does not fit {spec.name}: {error}") from error


def _tensors(weights: Path) -> dict[str, torch.Tensor]:
    import pickle

    import torch

    try:
        tensors: dict[str, torch.Tensor] = torch.load(
            weights, map_location="cpu", weights_only=True
        )
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{weights} holds more than tensors; it was not run.") from error
    return tensors


def _built(
    entry: Any, architecture: str, tensors: Tensors | None, **special: Any
) -> torch.nn.Module:
    """What torchvision's builder makes of an entry, with these tensors or with random weights."""
    import torch
    import torchvision

    enum, loading = type(entry), torch.nn.Module.load_state_dict
    state: Tensors = {} if tensors is None else tensors

    def load(model: torch.nn.Module, given: Tensors, *args: Any, **kwargs: Any) -> Any:
        if given is state and tensors is None:
            return None
        return loading(model, given, *args, **kwargs)

    enum.get_state_dict = lambda *_, **__: state  # instead of a download
    torch.nn.Module.load_state_dict = load
    try:
        model: torch.nn.Module = torchvision.models.get_model(
            architecture, weights=entry, **special
        )
    finally:
        torch.nn.Module.load_state_dict = loading
        del enum.get_state_dict
    model.quantized_engine = entry.meta.get("backend", "")
    return model


def _spec(entry: Entry) -> ModelSpec:
    file = PurePosixPath(urlsplit(entry.url).path).name
    digest = re.search(r"-([0-9a-f]{8,64})\.\w+$", file)
    recipes = {"published": recipe_from(entry.recipe)} if entry.recipe else {}
    if entry.name in _OF_2019:
        # In 2019 every picture was resized to 256, even for a crop of 299.
        recipes["northcutt2019"] = replace(recipes["published"], resize=256)
    return ModelSpec(
        NAME,
        entry.name,
        pytorch.NAME,
        Weights(
            entry.weights,
            file,
            sha256=digest[1] if digest else "",
            url=entry.url,
            megabytes=entry.mebibytes,
            licence=entry.licence,
        ),
        recipes,
        entry.parameters,
        entry.published,
        renamed=_DOTTED,
        gigamacs=entry.gigamacs,
        engine=entry.engine,
    )
