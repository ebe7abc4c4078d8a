"""Every pretrained tag of timm with the 1,000 classes of ImageNet, as in `resnet50.a1_in1k`.

Weights are those at the Hugging Face hub: a file in the folder of weights that is named after the
tag, such as `resnet50.a1_in1k.safetensors`, or the file in the hub's cache. A few tags have an
address elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarking.errors import BenchmarkError, WeightsError, requires
from benchmarking.models import hub_cache, timm_results
from benchmarking.models.frameworks import pytorch
from benchmarking.models.sources._timm_configs import entries
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.models.timm_entries import Entry, recipe_of
from benchmarking.pictures.recipe import Preprocessing

if TYPE_CHECKING:
    import torch

NAME = "timm"
MODULES = ("timm",)
EXTRA = "timm"
DISTRIBUTIONS = ("timm",)

_COUNTER = "num_batches_tracked"
"""A counter of batch normalisation. Predictions do not use it, and old files do not have it."""


@cache
def specs() -> tuple[ModelSpec, ...]:
    """The models, in timm's order."""
    return tuple(map(_spec, entries()))


def weights_folder(spec: ModelSpec) -> Path:
    """PyTorch's folder of downloaded weights."""
    return pytorch.checkpoints_folder()


def import_libraries() -> None:
    """Import timm, and do nothing else."""
    with requires(EXTRA):
        import timm  # noqa: F401


def build(spec: ModelSpec, weights: Path | None) -> torch.nn.Module:
    """Build the model with weights from a file, or with random weights.

    timm loads the file: it knows the names that tensors had in older files. It gets no other place
    of the weights, so it asks nothing of the network.

    Raises:
        WeightsError: the file is damaged, contains more than tensors, or does not fit the model.
        BenchmarkError: the installed timm does not have this tag.
        MissingDependency: timm is not installed.
    """
    with requires(EXTRA):
        import timm

    if not timm.is_model_pretrained(spec.name):
        raise BenchmarkError(
            f"timm {timm.__version__} has no pretrained {spec.name}; install a version that has it."
        )
    if weights is None:
        model: torch.nn.Module = timm.create_model(spec.name, pretrained=False)
        return model
    _check_intact(weights)
    # The config of some tags is that of an original file in another format.
    file = {"file": str(weights), "custom_load": False}
    try:
        with _every_tensor():
            model = timm.create_model(spec.name, pretrained=True, pretrained_cfg_overlay=file)
    except WeightsError as error:
        raise WeightsError(f"{weights} does not fit {spec.name}: {error}") from error
    except (RuntimeError, KeyError, ValueError, AttributeError, IndexError, TypeError) as error:
        raise WeightsError(f"{weights} does not fit {spec.name}: {error}") from error
    return model


def _check_intact(weights: Path) -> None:
    """Refuse a damaged file by a sentence of its own, before its tensors are compared."""
    import pickle

    import torch
    from safetensors import SafetensorError, safe_open

    try:
        if weights.suffix == ".safetensors":
            with safe_open(weights, "numpy"):
                return
        torch.load(weights, map_location="meta", weights_only=True)
    except SafetensorError as error:
        raise WeightsError(f"{weights} is not an intact safetensors file: {error}.") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{weights} holds more than tensors; it was not run.") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{weights} cannot be read: it is damaged, or torch.save has not written it "
            f"({type(error).__name__})."
        ) from error


@contextmanager
def _every_tensor() -> Iterator[None]:
    """Within the block, a model refuses tensors that leave some of its own random.

    timm loads the files of some families without comparing the names.

    Raises:
        WeightsError: some tensors of the model are missing.
    """
    import torch

    loading = torch.nn.Module.load_state_dict

    def load(model: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        found = loading(model, *args, **kwargs)
        missing = [name for name in found.missing_keys if not name.endswith(_COUNTER)]
        if missing:
            raise WeightsError(f"it lacks {len(missing)} tensors, such as {missing[0]}.")
        return found

    torch.nn.Module.load_state_dict = load
    try:
        yield
    finally:
        torch.nn.Module.load_state_dict = loading


def _spec(entry: Entry) -> ModelSpec:
    recipes = _recipes(entry)
    published = (
        timm_results.published(entry.name, recipes["published"]) if "published" in recipes else None
    )
    return ModelSpec(
        NAME, entry.name, pytorch.NAME, _weights(entry), recipes, entry.parameters, published
    )


def _weights(entry: Entry) -> Weights:
    tag = entry.name.partition(".")[2] or entry.name
    licence = entry.licence or "none stated"
    if entry.hub:
        file, address = f"{entry.name}.safetensors", hub_cache.address(entry.hub)
        return Weights(tag, file, url=address, licence=licence, hub=entry.hub)
    file = PurePosixPath(urlsplit(entry.url).path).name
    digest = re.search(r"-([0-9a-f]{8,64})\.\w+$", file)
    return Weights(tag, file, digest[1] if digest else "", url=entry.url, licence=licence)


def _recipes(entry: Entry) -> dict[str, Preprocessing]:
    """The recipes of both sizes; one that cannot be said is left out."""
    inputs = {"published": entry.default, "published-test-size": entry.test}
    found = {name: recipe_of(one) for name, one in inputs.items() if one}
    return {name: recipe for name, recipe in found.items() if recipe}
