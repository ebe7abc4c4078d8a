"""Sources of pretrained models, one module each; `Source` is the contract of a module."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

from benchmarking.errors import BenchmarkError, WeightsError, not_installed
from benchmarking.models import hub_cache
from benchmarking.models.backends import OnBackend, has_backends, other_backends
from benchmarking.models.frameworks import Framework, frameworks
from benchmarking.models.published import IMAGES, LABELS, published, published_with
from benchmarking.models.spec import ModelSpec, Published
from benchmarking.models.weights import missing
from benchmarking.plugins import discover

P = TypeVar("P")


class Source(Protocol):
    """A source of models: it lists their specs and builds a model from a spec."""

    @property
    def NAME(self) -> str:
        """Name of the source; the first part of a model's full name."""

    @property
    def MODULES(self) -> tuple[str, ...]:
        """Modules that it imports, besides its framework."""

    @property
    def EXTRA(self) -> str:
        """The extra that installs these modules, or another requirement; see `not_installed`."""

    @property
    def DISTRIBUTIONS(self) -> tuple[str, ...]:
        """Distributions whose versions can change the model; they are recorded with each run."""

    def specs(self) -> Sequence[ModelSpec]:
        """Every model of the source; called often, so it should be cached."""

    def weights_folder(self, spec: ModelSpec) -> Path:
        """The folder of its weight files, which need not exist yet."""

    def build(self, spec: ModelSpec, weights: Path | None) -> Any:
        """The framework's model, with weights from a verified file; random weights if None."""


def sources() -> dict[str, Source]:
    """Every source, by name; also those of other backends of Keras, whose models are not listed."""
    found = _listed()
    others = (
        OnBackend(source, backend)
        for source in found.values()
        if has_backends(source.NAME)
        for backend in other_backends()
    )
    return found | {source.NAME: source for source in others}


def all_specs() -> tuple[ModelSpec, ...]:
    """Every listed model, sorted by source, then in the order of the source."""
    return _specs_of(_listed().values())


def _listed() -> dict[str, Source]:
    return discover(sys.modules[__name__], Source)


def _unlisted() -> tuple[ModelSpec, ...]:
    """The models of Keras on its other backends."""
    return _specs_of(source for source in sources().values() if isinstance(source, OnBackend))


def _specs_of(some: Iterable[Source]) -> tuple[ModelSpec, ...]:
    found: list[ModelSpec] = []
    for source in some:
        specs = source.specs()
        if not isinstance(specs, Sequence):
            raise BenchmarkError(
                f"source {source.NAME} gave a {type(specs).__name__} as its specs; "
                "expected a tuple of ModelSpec."
            )
        found += specs
    return tuple(found)


def source_of(spec: ModelSpec) -> Source:
    """The source that builds a model.

    Raises:
        BenchmarkError: the source that the model's spec names does not exist.
    """
    return _named(sources(), "source", spec.source, spec)


def framework_of(spec: ModelSpec) -> Framework:
    """The framework that runs a model.

    Raises:
        BenchmarkError: the framework that the model's spec names does not exist.
    """
    return _named(frameworks(), "framework", spec.framework, spec)


def precisions_of(spec: ModelSpec) -> tuple[str, ...]:
    """Available precisions of a model's forward pass; the first one is the default.

    Raises:
        BenchmarkError: the framework that the model's spec names does not exist.
    """
    return ("int8",) if spec.engine else framework_of(spec).PRECISIONS


def spec_of(source: str, model: str) -> ModelSpec:
    """The model of this name in this source.

    Raises:
        BenchmarkError: there is none.
    """
    known = sources()
    for spec in known[source].specs() if source in known else ():
        if spec.name == model:
            return spec
    raise BenchmarkError(f"source {source!r} has no model {model!r}.")


def select(patterns: Sequence[str]) -> tuple[ModelSpec, ...]:
    """Models that match any of the patterns, each once, in the order of `all_specs`.

    A pattern is a name with wildcards ("efficientnet-lite?"), a framework ("keras"), a source, or
    "source/name" with wildcards in either part; case is ignored. The name of the weights can be
    added to any name, as in "resnet50.IMAGENET1K_V1". Models of Keras on another backend come last;
    a pattern means them only if it matches no listed model, as "keras-jax/VGG16" does.

    Raises:
        BenchmarkError: a pattern matches nothing.
    """
    specs, others = all_specs(), _unlisted()
    chosen: set[tuple[str, str]] = set()
    for pattern in patterns:
        found = _matching(specs, pattern) or _matching(others, pattern)
        if not found:
            raise _unknown(pattern, specs)
        chosen |= found
    return tuple(spec for spec in (*specs, *others) if (spec.source, spec.name) in chosen)


def the_spec(pattern: str) -> ModelSpec:
    """The only model that a pattern matches.

    Raises:
        BenchmarkError: it matches none, or several.
    """
    found = select([pattern])
    if len(found) > 1:
        names = ", ".join(spec.full_name for spec in found[:5])
        raise BenchmarkError(f"{pattern!r} means {len(found)} models; name one, such as {names}.")
    return found[0]


def check_installed(spec: ModelSpec) -> None:
    """Check that the libraries that a model needs are installed.

    Raises:
        MissingDependency: one is not.
    """
    for needed_by in (framework_of(spec), source_of(spec.built_as)):
        for name in needed_by.MODULES:
            if not _is_there(name):
                raise not_installed(name, needed_by.EXTRA)


def weights_path(spec: ModelSpec, folder: Path | None) -> Path:
    """Path of a model's weights: its own, or in the given folder, or in that of its source.

    For weights at the Hugging Face hub, the folder can also be a cache of the hub; without a folder
    it is the user's.

    Raises:
        WeightsError: they are missing, or their folder is unknown.
    """
    try:
        place = spec.weights.folder or folder or source_of(spec).weights_folder(spec)
        path = place / spec.weights.file
        if path.is_file():
            return path
        if spec.weights.hub:
            kept = hub_cache.cached(spec.weights.hub, folder or hub_cache.cache_folder())
            if kept:
                return kept
    except BenchmarkError as error:  # such as an unknown home folder
        raise WeightsError(str(error)) from error
    raise missing(spec.weights, place)


def published_of(
    source: str,
    model: str,
    recipe: str = "published",
    *,
    images: str = IMAGES,
    labels: str = LABELS,
) -> Published | None:
    """The published accuracy from our list, else from the model's source; None if unknown.

    Args:
        source: name of the source.
        model: name of the model.
        recipe: name of the recipe. Only figures of timm depend on it: all others are for the recipe
            `published`, and are what a run with any recipe is compared with.
        images: name of the set of pictures.
        labels: name of the set of labels, such as "original" or "real".
    """
    known = published(source, model) if (images, labels) == (IMAGES, LABELS) else None
    if known is None and source in sources():
        found = (spec for spec in sources()[source].specs() if spec.name == model)
        spec = next(found, None)
        return published_with(spec, recipe, images=images, labels=labels) if spec else None
    return known


def _named(known: Mapping[str, P], kind: str, name: str, spec: ModelSpec) -> P:
    if name not in known:
        raise BenchmarkError(
            f"{spec.full_name} names {kind} {name!r}, which there is not; there are "
            f"{', '.join(known)}. Is its plug-in installed?"
        )
    return known[name]


def _is_there(module: str) -> bool:
    """Whether a module is installed; it may be a submodule."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _matching(specs: Sequence[ModelSpec], pattern: str) -> set[tuple[str, str]]:
    return {(spec.source, spec.name) for spec in specs if _matches(spec, pattern.lower())}


def _matches(spec: ModelSpec, pattern: str) -> bool:
    names = [spec.framework, spec.source, spec.name, spec.full_name]
    if not spec.name.endswith(f".{spec.weights.name}"):
        names += [f"{name}.{spec.weights.name}" for name in (spec.name, spec.full_name)]
    return any(fnmatchcase(name.lower(), pattern) for name in names)


def _unknown(pattern: str, specs: Sequence[ModelSpec]) -> BenchmarkError:
    names = {
        name for spec in specs for name in (spec.name, spec.full_name, spec.source, spec.framework)
    }
    by_lower = {name.lower(): name for name in sorted(names)}
    asked = pattern.lower()
    close = [by_lower[name] for name in by_lower if name.startswith(f"{asked}.")]  # its weights
    close += [by_lower[name] for name in get_close_matches(asked, by_lower, n=1)]
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return BenchmarkError(
        f"unknown model {pattern!r}.{hint} Run 'imagenet-benchmark models' for all."
    )
