"""Models of the user's own in one file, with their architecture: .onnx, .pt2, .keras and .py.

They are not listed, because each is known only by its file; `spec_of_model_file` makes the spec.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.io.names import check_name
from benchmarking.io.user_folders import expanded
from benchmarking.models.frameworks import keras as keras_framework
from benchmarking.models.frameworks import onnx as onnx_framework
from benchmarking.models.frameworks import pytorch
from benchmarking.models.own import exported_programs, keras_models, onnx_files, python_files
from benchmarking.models.own.objects import framework_name, parameters_sha256
from benchmarking.models.own.recipe_files import recipe_beside, recipe_in
from benchmarking.models.own.recipes import RECIPE, own_recipe
from benchmarking.models.sources.checkpoint import name_of
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.models.weights import sha256_of
from benchmarking.pictures.recipe import Preprocessing

NAME = "model-file"
MODULES: tuple[str, ...] = ()
EXTRA = ""
DISTRIBUTIONS: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Format:
    """How models in files of one suffix are read.

    Attributes:
        framework: the framework that runs them.
        check: refuses a file that is damaged or does not fit a recipe, as far as that is quickly
            found; returns the names of the further files that it refers to.
        build: the framework's model from a file, which must fit a recipe.
    """

    framework: str
    check: Callable[[Path, Preprocessing], tuple[str, ...]]
    build: Callable[[Path, Preprocessing], Any]


def _check_onnx(path: Path, recipe: Preprocessing) -> tuple[str, ...]:
    signature, beside = onnx_files.read_signature(path)
    signature.check_recipe(recipe)
    return beside


def _onnx_model(path: Path, recipe: Preprocessing) -> onnx_framework.OnnxModel:
    return onnx_framework.OnnxModel(path, onnx_files.read_signature(path)[0])


def _check_program(path: Path, recipe: Preprocessing) -> tuple[str, ...]:
    exported_programs.check_file(path)
    return ()


def _program(path: Path, recipe: Preprocessing) -> exported_programs.Program:
    program = exported_programs.Program(path)
    program.signature.check_recipe(recipe)
    return program


def _check_keras(path: Path, recipe: Preprocessing) -> tuple[str, ...]:
    keras_models.check_file(path)
    return ()


_FORMATS: Mapping[str, _Format] = MappingProxyType(
    {
        ".onnx": _Format(onnx_framework.NAME, _check_onnx, _onnx_model),
        ".pt2": _Format(pytorch.NAME, _check_program, _program),
        ".keras": _Format(keras_framework.NAME, _check_keras, keras_models.load),
    }
)

_PYTHON = ".py"
_SUFFIXES = (*_FORMATS, _PYTHON)


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
    if weights.suffix.lower() == _PYTHON:
        return _python_model(spec, weights)
    return _FORMATS[weights.suffix.lower()].build(weights, spec.recipes[RECIPE])


def is_model_file(name: object) -> bool:
    """Whether a name is that of a model file, by its suffix."""
    return isinstance(name, str | Path) and Path(name).suffix.lower() in _SUFFIXES


def note_on(spec: ModelSpec) -> str:
    """What a user should know about the digests of a model file; "" if they cover all of it."""
    path = Path(spec.weights.file)
    if spec.source != NAME or path.suffix.lower() != _PYTHON:
        return ""
    covered = "and of the model's parameters" if spec.weights.parameters_sha256 else "alone"
    return (
        f"note: the sha256 of {path.name} {covered} is recorded; after a change of other files "
        "that it uses, give --again"
    )


def spec_of_model_file(
    file: Path | str,
    *,
    name: str | None = None,
    recipe: str | Preprocessing | Any = None,
    recipe_file: Path | str | None = None,
) -> ModelSpec:
    """The spec of a model in a file, without a published accuracy.

    Args:
        file: the model: .onnx; .pt2, which torch.export.save has written; .keras; or a .py file
            with a function `model()` that returns a model and its recipe. A .py file is run, and a
            .pt2 file can contain code, so use only those that you trust.
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
    if path.suffix.lower() not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise WeightsError(
            f"{path.name} has no suffix of a model file ({known}). Weights without their "
            "architecture are a checkpoint; see --checkpoint, or checkpoint= in Python."
        )
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise WeightsError(f"{file} {what}; give the file of a model.")
    kind = path.suffix.lower()[1:]
    weights = Weights(f"{kind} file", path.name, folder=path.parent)
    imported: tuple[str, ...] = ()
    if f".{kind}" == _PYTHON:
        found = python_files.described(path)
        framework, imported = found.framework, found.distributions
        weights = replace(weights, parameters_sha256=found.parameters_sha256)
        used = _recipe(path, recipe, recipe_file, found.preprocessing)
    else:
        framework = _FORMATS[f".{kind}"].framework
        used = _recipe(path, recipe, recipe_file)
        further = _FORMATS[f".{kind}"].check(path, used)
        beside = tuple((one, sha256_of(path.parent / one)) for one in further)
        weights = replace(weights, beside=beside)
    named = check_name(name or name_of(path))
    return ModelSpec(
        NAME, named, framework, weights, {RECIPE: used}, parameters=0, distributions=imported
    )


def _python_model(spec: ModelSpec, path: Path) -> Any:
    """The model of a Python file, which must be the one that was described before.

    Raises:
        WeightsError: it is another one.
    """
    model, recipe = python_files.load(path)
    differing = {
        "framework": framework_name(model) != spec.framework,
        "recipe": recipe is not None and recipe != spec.recipes[RECIPE],
        "parameters": parameters_sha256(model) != spec.weights.parameters_sha256,
    }
    if any(differing.values()):
        names = ", ".join(name for name, differs in differing.items() if differs)
        raise WeightsError(
            f"{path.name} returned a model with another {names} when it was run a second time; "
            "load weights from a file, or set the seed of random ones."
        )
    return model


def _recipe(
    path: Path,
    recipe: object,
    recipe_file: Path | str | None,
    returned: Preprocessing | None = None,
) -> Preprocessing:
    """The recipe, which is given or returned in one way, or lies beside the model."""
    if returned is not None and (recipe is not None or recipe_file is not None):
        raise BenchmarkError(
            f"{path.name} returns its own recipe, and another one was given; leave out one."
        )
    if returned is not None:
        return returned
    if recipe is not None and recipe_file is not None:
        raise BenchmarkError(
            f"{path.name} was given two recipes; give one, by its file or by a model that has it."
        )
    if recipe is not None:
        return own_recipe(recipe)
    return recipe_in(expanded(recipe_file)) if recipe_file else recipe_beside(path)
