"""The document of `models`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from benchmarking.errors import BenchmarkError, MissingDependency, WeightsError
from benchmarking.models import first_use
from benchmarking.models.same_weights import Same, same_weights
from benchmarking.models.sources import (
    all_specs,
    check_installed,
    framework_of,
    source_of,
    weights_path,
)
from benchmarking.models.spec import ModelSpec
from benchmarking.models.weights import verified_sha256
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.reports.documents.verify import Reference, reference

State = Literal[
    "available",
    "available, verified",
    "available, no digest published",
    "available, as at first use",
    "not the published file",
    "not the file of its first use",
    "missing",
]


@dataclass(frozen=True)
class WeightsFile:
    """A model's file of weights.

    Attributes:
        name: its publisher's name for it.
        file: its file name.
        state: whether it is available; with --files, also whether it is the published file, or,
            if no digest is published, the file that was used first.
        path: its path; null if it is missing.
        url: address of the download; null if a package ships the file.
        sha256: published sha256, or its first digits; null if none is published.
        md5: published md5; null if none is published.
        mebibytes: its size in MiB; null if it is unknown.
        advice: where to get a missing file; null if it is available.
        licence: address of the licence of the weights; null if the publisher names none.
    """

    name: str
    file: str
    state: State
    path: str | None
    url: str | None
    sha256: str | None
    md5: str | None
    mebibytes: float | None
    advice: str | None
    licence: str | None


@dataclass(frozen=True)
class Recipe:
    """A preprocessing of a model.

    Attributes:
        text: the preprocessing in words.
        preprocessing: the preprocessing as names and values, as a stored run records it.
    """

    text: str
    preprocessing: Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """A model that can run.

    Attributes:
        source: name of its source.
        model: its name within the source.
        platform: title of the framework that runs it.
        parameters: number of parameters, as its framework counts them.
        gigamacs: multiply-adds of one forward pass at the published crop size, in 10^9; null if
            the publisher does not give them.
        classes: number of classes in its output.
        weights: its file of weights.
        recipes: its preprocessing, by name.
        published: published accuracy; null if none is published.
        same_weights: other models that have the same weights under another name.
        missing_library: how to install a library that the model needs; null if all are installed.
    """

    source: str
    model: str
    platform: str
    parameters: int
    gigamacs: float | None
    classes: int
    weights: WeightsFile
    recipes: Mapping[str, Recipe]
    published: Reference | None
    same_weights: tuple[Same, ...]
    missing_library: str | None


@dataclass(frozen=True)
class ModelsDocument:
    """The list of `imagenet-benchmark models`.

    Attributes:
        models: each model.
    """

    NAME: ClassVar[str] = "models"
    VERSION: ClassVar[int] = 1

    models: tuple[Model, ...]


def models_document(
    specs: Sequence[ModelSpec], folder: Path | None, *, check_weights: bool
) -> ModelsDocument:
    """The document of models.

    Args:
        specs: the models.
        folder: folder with the files of weights; None for the folders of the frameworks.
        check_weights: whether to compare the files of weights with their published digests.
    """
    recipe_of, missing_library = cache(_recipe), _missing_libraries(specs)
    same = same_weights(all_specs())
    return ModelsDocument(
        tuple(
            Model(
                source=spec.source,
                model=spec.name,
                platform=framework_of(spec).TITLE,
                parameters=spec.parameters,
                gigamacs=spec.gigamacs,
                classes=spec.classes,
                weights=_weights(spec, folder, check=check_weights),
                recipes={name: recipe_of(recipe) for name, recipe in spec.recipes.items()},
                published=reference(spec.published),
                same_weights=same.get(spec.full_name, ()),
                missing_library=missing_library[spec.framework, spec.source],
            )
            for spec in specs
        )
    )


def _weights(spec: ModelSpec, folder: Path | None, *, check: bool) -> WeightsFile:
    weights, path, advice = spec.weights, None, None
    state: State = "missing"
    try:
        path = weights_path(spec, folder)
        state = _checked(spec, path) if check else "available"
    except WeightsError as error:
        place = _folder(spec, folder) if weights.url else None
        advice = f"{place / weights.file} from {weights.url}" if place else str(error)
    return WeightsFile(
        name=weights.name,
        file=weights.file,
        state=state,
        path=str(path) if path else None,
        url=weights.url or None,
        sha256=weights.sha256 or None,
        md5=weights.md5 or None,
        mebibytes=weights.megabytes,
        advice=advice,
        licence=weights.licence or None,
    )


def _folder(spec: ModelSpec, folder: Path | None) -> Path | None:
    """The folder for a model's file of weights; None if the user's home is unknown."""
    try:
        return folder or source_of(spec).weights_folder(spec)
    except BenchmarkError:
        return None


def _checked(spec: ModelSpec, path: Path) -> State:
    try:
        sha256 = verified_sha256(path, spec.weights)
    except WeightsError:
        return "not the published file"
    if spec.weights.published_digest != "none":
        return "available, verified"
    first = first_use.recorded(spec)
    if first:
        return "available, as at first use" if first == sha256 else "not the file of its first use"
    return "available, no digest published"


def _recipe(recipe: Preprocessing) -> Recipe:
    return Recipe(str(recipe), recipe.as_document())


def _missing_libraries(specs: Sequence[ModelSpec]) -> dict[tuple[str, str], str | None]:
    """How to install what is missing, by framework and source; models share these answers."""
    found: dict[tuple[str, str], str | None] = {}
    for spec in {(spec.framework, spec.source): spec for spec in specs}.values():
        try:
            check_installed(spec)
            found[spec.framework, spec.source] = None
        except MissingDependency as error:
            found[spec.framework, spec.source] = str(error)
    return found
