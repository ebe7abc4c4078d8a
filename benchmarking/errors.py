"""Problems a user can mend; the shell prints them without a traceback and exits 2."""

from __future__ import annotations

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


_EXTRAS = ("all", "demo", "dev", "keras", "pandas", "pytorch")


def not_installed(library: str, extra: str) -> MissingDependency:
    """The advice for a library that is missing.

    Args:
        library: its name, as it is imported.
        extra: of this distribution that installs it; else what pip has to install, such as another
            distribution's "mine[torch]"; empty for the library itself.
    """
    what = f"imagenet-benchmarking[{extra}]" if extra in _EXTRAS else extra or library
    return MissingDependency(f"{library} is not installed; run: pip install '{what}'")
