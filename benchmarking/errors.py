"""Errors that a user can fix; the commands print them without a traceback and exit with 2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager


class BenchmarkError(Exception):
    """An error with a fix: the message names the value, what was expected and the next step."""


class MissingDependency(BenchmarkError):
    """A library that an optional part needs is not installed."""


class PictureError(BenchmarkError):
    """Pictures that cannot be used as they are."""


class StoreError(BenchmarkError):
    """Stored predictions that cannot be read, or must not be written."""


class WeightsError(BenchmarkError):
    """Weights that are missing, or differ from the published ones."""


class OutOfMemory(BenchmarkError):
    """A model and its batch need more memory than is available."""


@contextmanager
def requires(extra: str) -> Iterator[None]:
    """Turn a failed import inside the block into advice on which extra to install.

    Raises:
        MissingDependency: an import inside the block failed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise not_installed(error.name or str(error), extra) from error


def not_installed(library: str, extra: str) -> MissingDependency:
    """Return an error that says how to install a missing library.

    Args:
        library: the name that is imported.
        extra: the extra of this distribution that installs the library, or what pip has to
            install instead, such as another distribution's "mine[torch]"; empty for the library
            itself.
    """
    return MissingDependency(f"{library} is not installed; run: {pip_install(library, extra)}")


def pip_install(library: str, extra: str) -> str:
    """Return the command that installs a library; the arguments are those of `not_installed`.

    The command names the requirements of the extra one by one, because
    "imagenet-benchmarking[extra]" can be installed by name only from an index.
    """
    what = _missing_of(library, extra) or [extra or library]
    return "pip install " + " ".join(f"'{one}'" for one in what)


def needed_by(extra: str) -> dict[str, str]:
    """Requirements of an extra of this distribution, each with the name of its distribution.

    They are empty if it has no such extra.

    Raises:
        PackageNotFoundError: this package is on the path but not installed.
    """
    from importlib import metadata

    requirements = metadata.requires("imagenet-benchmarking") or []
    of_extra = re.compile(rf"""(([\w.-]+)[^; ]*) *;.*\bextra *== *["']{re.escape(extra)}["']""")
    return {match[1]: match[2] for match in map(of_extra.match, requirements) if match}


def _missing_of(library: str, extra: str) -> list[str]:
    """Requirements of an extra that are not installed; all of them if none is missing."""
    from importlib import metadata

    try:
        needed = needed_by(extra)
    except metadata.PackageNotFoundError:
        return [library]
    missing = [what for what, name in needed.items() if not any(metadata.distributions(name=name))]
    return missing or list(needed)
