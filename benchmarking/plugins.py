"""Plug-ins: modules that add something to the package, found in three places.

1. Our own folder for the kind: every module in it, except those named `_…`. A package in it is not
   a plug-in; it holds what several modules need.
2. Installed distributions with an entry point in the group `imagenet_benchmarking.KIND`.
3. Python files that the user names with `--plugin FILE` or in $IMAGENET_BENCHMARK_PLUGINS; each
   declares its kind with `PLUGIN = "KIND"`.

Each kind has a contract, a `typing.Protocol`, in the `__init__.py` of its folder.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, TypeVar

from benchmarking.errors import BenchmarkError

KINDS = {
    "sources": "benchmarking.models.sources",
    "frameworks": "benchmarking.models.frameworks",
    "picture_sets": "benchmarking.pictures.sets",
    "executors": "benchmarking.inference.executors",
    "reports": "benchmarking.reports.formats",
    "experiments": "benchmarking.experiments",
    "figures": "benchmarking.reports.figures",
}
"""The package that holds our own plug-ins of each kind."""

CONTRACTS = {
    "sources": "Source",
    "frameworks": "Framework",
    "picture_sets": "PictureSet",
    "executors": "Executor",
    "reports": "Report",
    "experiments": "Experiment",
    "figures": "Figure",
}
"""The contract of each kind, a class in the package of that kind."""

_DIGEST = "imagenet_benchmark_digest"
"""Attribute of a module imported from a plug-in file: the sha256 of the file at import."""

FILES_VARIABLE = "IMAGENET_BENCHMARK_PLUGINS"
"""Environment variable with plug-in files, separated like the folders in PATH.

Worker processes inherit it, so they find the same plug-ins.
"""

P = TypeVar("P")


def discover(package: ModuleType, contract: type[P]) -> dict[str, P]:
    """Return the plug-ins of a kind by their NAME, sorted by name.

    Args:
        package: the package with our own plug-ins of this kind.
        contract: the Protocol that each one must satisfy.

    Raises:
        BenchmarkError: a plug-in cannot be imported or lacks a part of the contract, or two have
            the same NAME.
    """
    files = os.environ.get(FILES_VARIABLE, "")
    kind: Any = contract  # mypy does not accept a Protocol as hashable
    found: dict[str, P] = _discovered(package.__name__, tuple(package.__path__), kind, files)
    return dict(found)


def use(file: Path | str) -> None:
    """Add a plug-in file, for this process and the worker processes that it starts.

    A file that has changed since its last import is imported again.

    Raises:
        BenchmarkError: the file cannot be imported, does not declare its kind, or lacks a part of
            the contract.
    """
    path = _absolute(file)
    name = _module_name(path)
    if name in sys.modules and sys.modules[name].__dict__[_DIGEST] != _digest(path):
        del sys.modules[name]
        _discovered.cache_clear()
    module = _from_file(path)
    package = import_module(KINDS[module.PLUGIN])
    _refuse_lacking(path, module, getattr(package, CONTRACTS[module.PLUGIN]))
    known = _paths(os.environ.get(FILES_VARIABLE, ""))
    os.environ[FILES_VARIABLE] = os.pathsep.join(dict.fromkeys([*known, path]))


def imported_files() -> dict[str, str]:
    """Plug-in files that this process has imported, each with its sha256 at import."""
    paths = _paths(os.environ.get(FILES_VARIABLE, ""))
    return {path: _from_file(path).__dict__[_DIGEST] for path in paths}


def import_files(digests: Mapping[str, str]) -> None:
    """Import the plug-in files of another process, as a worker does before it reads its job.

    Raises:
        BenchmarkError: a file has changed since the other process imported it.
    """
    for path, digest in digests.items():
        if _from_file(path).__dict__[_DIGEST] != digest:
            raise BenchmarkError(
                f"plug-in {path} was changed while it was in use; begin again, or call "
                "benchmarking.plugins.use() again."
            )


def lacks(plugin: object, contract: type) -> list[str]:
    """Parts of a contract that a plug-in lacks, in words; empty if it satisfies the contract."""
    parts = {
        name: part
        for base in reversed(contract.__mro__)
        for name, part in vars(base).items()
        if not name.startswith("_") and isinstance(part, (property, Callable))  # type: ignore[arg-type]
    }
    problems = (_problem(plugin, name, part) for name, part in sorted(parts.items()))
    return [problem for problem in problems if problem]


@cache
def _discovered(package: str, folders: tuple[str, ...], contract: Any, files: str) -> Any:
    """Plug-ins by name; cached, since every model of a sweep looks up its source."""
    found: dict[str, Any] = {}
    wheres: dict[str, str] = {}
    for where, plugin in _candidates(package, folders, files):
        _refuse_lacking(where, plugin, contract)
        name: str = plugin.NAME
        if name in found:
            raise BenchmarkError(
                f"{wheres[name]} and {where} are both called {name!r}; rename one."
            )
        found[name], wheres[name] = plugin, where
    return dict(sorted(found.items()))


def _refuse_lacking(where: str, plugin: object, contract: Any) -> None:
    problems = lacks(plugin, contract)
    if problems:
        raise BenchmarkError(
            f"{where} lacks {'; '.join(problems)}. A plug-in of this kind needs all that "
            f"{contract.__name__} has in {contract.__module__}."
        )


def _candidates(package: str, folders: tuple[str, ...], files: str) -> Iterator[tuple[str, Any]]:
    """Yield every module that may be a plug-in of the package's kind, with its origin."""
    for info in iter_modules(folders):
        if not info.name.startswith("_") and not info.ispkg:
            module = import_module(f"{package}.{info.name}")
            yield str(module.__file__), module
    kind = next((kind for kind, place in KINDS.items() if place == package), None)
    if kind is None:
        return
    yield from _from_distributions(kind)
    for path in _paths(files):
        module = _from_file(path)
        if kind == module.PLUGIN:
            yield path, module


def _from_distributions(kind: str) -> Iterator[tuple[str, Any]]:
    for entry in _entry_points(tuple(sys.path)).select(group=f"imagenet_benchmarking.{kind}"):
        owner = entry.dist.name if entry.dist else "an unknown distribution"
        where = f"plug-in {entry.name!r} ({entry.value}) of {owner}"
        try:
            yield where, entry.load()
        except (Exception, SystemExit) as error:  # third-party code may raise anything
            raise BenchmarkError(
                f"{where} cannot be imported: {type(error).__name__}: {error}. "
                f"Mend or uninstall {owner}."
            ) from error


@cache
def _entry_points(path: tuple[str, ...]) -> Any:
    """Those of all distributions on `sys.path`, which are read once for all kinds."""
    from importlib.metadata import entry_points

    return entry_points()


def _paths(files: str) -> list[str]:
    """Absolute paths without duplicates."""
    return list(dict.fromkeys(_absolute(path) for path in files.split(os.pathsep) if path))


def _absolute(file: Path | str) -> str:
    """The absolute path of a file, with "~" for the home folder if no file is named so.

    Raises:
        BenchmarkError: the home folder is unknown.
    """
    path = Path(file)
    try:
        return str((path if os.path.lexists(path) else path.expanduser()).resolve())
    except RuntimeError as error:
        raise BenchmarkError(
            f"plug-in {file}: the home folder is unknown; write the path in full."
        ) from error


def _module_name(path: str) -> str:
    return f"imagenet_benchmark_plugin_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise BenchmarkError(f"plug-in {path} cannot be read: {error.strerror}.") from error


def _from_file(path: str) -> Any:
    """The module of a plug-in file, imported once under a name derived from its path."""
    name = _module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    if not Path(path).is_file():
        raise BenchmarkError(f"plug-in {path} is not a file; expected a Python file.")
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BenchmarkError(f"plug-in {path} is not a Python file; its name must end in .py.")
    module = module_from_spec(spec)
    vars(module)[_DIGEST] = _digest(path)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        kind = getattr(module, "PLUGIN", None)
        if kind not in KINDS:
            known = ", ".join(map(repr, KINDS))
            raise BenchmarkError(
                f"plug-in {path} lacks PLUGIN, which says what it adds; expected one of {known}."
                if kind is None
                else f"plug-in {path} has PLUGIN = {kind!r}; expected one of {known}."
            )
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, BenchmarkError) or not isinstance(error, (Exception, SystemExit)):
            raise
        raise BenchmarkError(
            f"plug-in {path} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return module


def _problem(plugin: object, name: str, part: Any) -> str:
    """Describe how a plug-in violates one part of a contract; empty if it does not."""
    if not hasattr(plugin, name):
        return name
    value = getattr(plugin, name)
    if isinstance(part, property):
        hint = typing.get_type_hints(part.fget)["return"]
        kind = typing.get_origin(hint) or hint
        is_right = not isinstance(kind, type) or isinstance(value, kind)
        return "" if is_right else f"{name} as {kind.__name__} (it is {value!r:.60})"
    if not callable(value):
        return f"{name} as a function (it is {value!r:.60})"
    own, *wanted = inspect.signature(part).parameters.values()
    positional = [one.name for one in wanted if one.kind is not one.KEYWORD_ONLY]
    try:
        inspect.signature(value).bind(*positional)
    except TypeError:
        return f"{name}({', '.join(positional)}) with these parameters"
    except ValueError:  # some built-in functions have no signature
        return ""
    return ""
