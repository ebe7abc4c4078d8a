"""Models of the user's own in one file, with their architecture: .onnx.

They are not listed, because each is known only by its file; `spec_of_model_file` makes the spec.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.io.names import check_name
from benchmarking.io.user_folders import expanded
from benchmarking.models import onnx_files
from benchmarking.models.frameworks import onnx
from benchmarking.models.recipe_files import recipe_beside, recipe_in
from benchmarking.models.sources import the_spec
from benchmarking.models.sources.checkpoint import name_of
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.models.transforms import recipe_of
from benchmarking.models.weights import sha256_of
from benchmarking.pictures.recipe import Preprocessing

NAME = "model-file"
MODULES: tuple[str, ...] = ()
EXTRA = ""
DISTRIBUTIONS: tuple[str, ...] = ()

RECIPE = "published"
"""Name of the recipe of a model file, the default of all commands."""


@dataclass(frozen=True)
class _Format:
    """How models in files of one suffix are read.

    Attributes:
        framework: the framework that runs them.
        build: the framework's model from a file.
    """

    framework: str
    build: Callable[[Path], Any]


def _onnx_model(path: Path) -> onnx.OnnxModel:
    return onnx.OnnxModel(path, onnx_files.read_signature(path)[0])


_FORMATS: Mapping[str, _Format] = MappingProxyType({".onnx": _Format(onnx.NAME, _onnx_model)})


def specs() -> Sequence[ModelSpec]:
    """No models: a model file is known only by its path."""
    return ()


def weights_folder(spec: ModelSpec) -> Path:
    """The folder of the model file."""
    return spec.weights.folder or Path()


def build(spec: ModelSpec, weights: Path | None) -> Any:
    """The framework's model from its file.

    Raises:
        WeightsError: the file is damaged or no classifier, or a file that it refers to has changed.
        MissingDependency: a library that reads the file is not installed.
    """
    if weights is None:
        raise BenchmarkError(
            f"{spec.weights.file} has its own weights, so it cannot have random ones."
        )
    for name, sha256 in spec.weights.beside:
        if sha256_of(weights.parent / name) != sha256:
            raise WeightsError(f"{name} was changed while {weights.name} was in use; begin again.")
    return _FORMATS[weights.suffix.lower()].build(weights)


def is_model_file(name: object) -> bool:
    """Whether a name is that of a model file, by its suffix."""
    return isinstance(name, str | Path) and Path(name).suffix.lower() in _FORMATS


def spec_of_model_file(
    file: Path | str,
    *,
    name: str | None = None,
    recipe: str | Preprocessing | Any = None,
    recipe_file: Path | str | None = None,
) -> ModelSpec:
    """The spec of a model in a file, without a published accuracy.

    Args:
        file: the model (.onnx).
        name: name of the run's model; None uses the name of the file.
        recipe: the preprocessing, a transform that can be translated into it, or a listed model
            that has the same one, such as "torchvision/resnet50"; None looks into `recipe_file`, or
            else beside the model.
        recipe_file: a JSON or TOML file with the recipe.

    Raises:
        BenchmarkError: the file does not exist, is damaged or no classifier of 1,000 classes, the
            recipe is missing or does not fit the model, or the name is not valid.
    """
    path = expanded(file).absolute()
    if path.suffix.lower() not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise WeightsError(
            f"{path.name} has no suffix of a model file ({known}). Weights without their "
            "architecture are a checkpoint; see --checkpoint, or checkpoint= in Python."
        )
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise WeightsError(f"{file} {what}; give the file of a model.")
    signature, beside = onnx_files.read_signature(path)
    used = _recipe(path, recipe, recipe_file)
    signature.check_recipe(used)
    further = tuple((one, sha256_of(path.parent / one)) for one in beside)
    return ModelSpec(
        NAME,
        check_name(name or name_of(path)),
        _FORMATS[path.suffix.lower()].framework,
        Weights(f"{path.suffix.lower()[1:]} file", path.name, folder=path.parent, beside=further),
        {RECIPE: used},
        parameters=0,
    )


def listed_recipe(model: str) -> Preprocessing:
    """The recipe with which the weights of a listed model were evaluated.

    Raises:
        BenchmarkError: the name is not exactly one model, or its recipe is not known.
    """
    spec = the_spec(model)
    if RECIPE not in spec.recipes:
        raise BenchmarkError(
            f"{spec.full_name} has no recipe {RECIPE!r}: it is not known how its weights were "
            "evaluated; name another model."
        )
    return spec.recipes[RECIPE]


def _recipe(path: Path, recipe: object, recipe_file: Path | str | None) -> Preprocessing:
    """The recipe, which is given in one way, or lies beside the model."""
    if recipe is not None and recipe_file is not None:
        raise BenchmarkError(
            f"{path.name} was given two recipes; give one, by its file or by a model that has it."
        )
    if isinstance(recipe, str):
        return listed_recipe(recipe)
    if recipe is not None:
        return recipe_of(recipe)
    return recipe_in(expanded(recipe_file)) if recipe_file else recipe_beside(path)
