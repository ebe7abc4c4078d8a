"""Plug-ins: every module of a folder, by the NAME it gives itself; there is no other registry."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from benchmarking.errors import BenchmarkError


def discover(package: ModuleType) -> dict[str, ModuleType]:
    """Modules of a package by their NAME, in order of name; those named `_…` are its own affair.

    Raises:
        BenchmarkError: a module lacks a name of the package's CONTRACT, or two modules give
            themselves the same NAME.
    """
    found: dict[str, ModuleType] = {}
    for info in iter_modules(package.__path__):
        if info.name.startswith("_"):
            continue
        module = import_module(f"{package.__name__}.{info.name}")
        lacking = [name for name in package.CONTRACT if not hasattr(module, name)]
        if lacking:
            raise BenchmarkError(
                f"{module.__file__} lacks {', '.join(lacking)}; see {package.__file__}."
            )
        if module.NAME in found:
            raise BenchmarkError(
                f"{found[module.NAME].__name__} and {module.__name__} are both called "
                f"{module.NAME!r}; rename one."
            )
        found[module.NAME] = module
    return dict(sorted(found.items()))
