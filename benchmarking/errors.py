"""Problems a user can mend; the shell prints them without a traceback and exits 2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager


class BenchmarkError(Exception):
    """Something to mend: the message names the value, what was expected and the next step."""


class MissingDependency(BenchmarkError):
    """A library that an optional part needs is not installed."""


class PictureError(BenchmarkError):
    """Pictures that cannot be used as they are."""


class StoreError(BenchmarkError):
    """Stored predictions that cannot be read, or must not be written."""


class WeightsError(BenchmarkError):
    """Weights that are missing, or are not the ones that were published."""


class OutOfMemory(BenchmarkError):
    """A model and its batch need more memory than there is."""


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
    """The advice for a library that is missing.

    Args:
        library: its name, as it is imported.
        extra: the extra of this distribution that installs it; else what pip has to install, such
            as another distribution's "mine[torch]"; empty for the library itself.
    """
    return MissingDependency(f"{library} is not installed; run: {pip_install(library, extra)}")


def pip_install(library: str, extra: str) -> str:
    """The command that installs a library; the arguments are those of `not_installed`.

    It names the requirements of an extra, because "imagenet-benchmarking[extra]" can be installed
    by name from an index only.
    """
    what = _missing_of(library, extra) or [extra or library]
    return "pip install " + " ".join(f"'{one}'" for one in what)


def _missing_of(library: str, extra: str) -> list[str]:
    """Requirements of an extra that are not installed; all of them if every one is."""
    from importlib import metadata

    try:
        requirements = metadata.requires("imagenet-benchmarking") or []
    except metadata.PackageNotFoundError:  # the package is on the path but not installed
        return [library]
    of_extra = re.compile(rf"""(([\w.-]+)[^; ]*) *;.*\bextra *== *["']{re.escape(extra)}["']""")
    needed = {match[1]: match[2] for match in map(of_extra.match, requirements) if match}
    missing = [what for what, name in needed.items() if not any(metadata.distributions(name=name))]
    return missing or list(needed)
