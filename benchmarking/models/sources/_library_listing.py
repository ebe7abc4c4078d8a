"""Listings of the models of a library: shipped for one version, read for every other.

Reading imports the library, and torch with it, which takes seconds. So it is done in a process of
its own, and the listing is kept in the user's cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from benchmarking import __version__
from benchmarking.errors import BenchmarkError
from benchmarking.io import files, lifeline, user_folders
from benchmarking.io.progress import notice

_SECONDS = 600
"""Time after which reading is given up; importing torch from a slow disk takes long."""


class Listing(Protocol):
    """The models of one version of a library."""

    @property
    def version(self) -> str:
        """The version, without a local part such as "+cpu"."""


L = TypeVar("L", bound=Listing)


@dataclass(frozen=True)
class Library(Generic[L]):
    """A library whose models are listed.

    Attributes:
        name: name of its distribution.
        reader: name of the module that prints its listing when it is run as a command; see
            `print_listing`.
        shipped: returns the listing that comes with this package.
        as_json: writes a listing.
        decoded: reads what `as_json` has written, or raises BenchmarkError.
    """

    name: str
    reader: str
    shipped: Callable[[], L]
    as_json: Callable[[L], bytes]
    decoded: Callable[[bytes], L]

    def listing(self) -> L:
        """The listing of the installed version; the shipped one if the library is not installed.

        If the installed library cannot be imported, a notice says so.
        """
        known = self.shipped()
        try:
            version = metadata.version(self.name).partition("+")[0]
        except metadata.PackageNotFoundError:
            return known
        if version == known.version:
            return known
        kept = self._kept(version)
        if kept is not None:
            return kept
        notice(f"reading the models of {self.name} {version} once; this takes a while")
        try:
            found = self._asked()
        except BenchmarkError as error:
            notice(f"{error}; its models are listed as of version {known.version}")
            return known
        with suppress(BenchmarkError):  # without the cache, the next command asks again
            files.write(self._place(version), self.as_json(found))
        return found

    def _place(self, version: str) -> Path:
        """The file in the user's cache; it belongs to one version of this package too."""
        return user_folders.cache() / f"models-{__version__}" / f"{self.name}-{version}.json"

    def _kept(self, version: str) -> L | None:
        """The listing of a version in the user's cache; None if it is missing or damaged."""
        try:
            found = self.decoded(files.read_regular(self._place(version)))
        except (OSError, BenchmarkError):
            return None
        return found if found.version == version else None

    def _asked(self) -> L:
        """The listing that a new process reads from the installed library.

        Raises:
            BenchmarkError: it cannot be imported.
        """
        path = os.pathsep.join(filter(None, sys.path))
        try:
            with ExitStack() as stack:
                end, passed = lifeline.opened(stack, stack)
                done = subprocess.run(  # noqa: S603 - this package's own module
                    [sys.executable, "-P", "-m", self.reader, end],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_SECONDS,
                    env={**os.environ, "PYTHONPATH": path},
                    pass_fds=passed,
                    check=True,
                )
            return self.decoded(done.stdout)
        except subprocess.CalledProcessError as error:
            lines = error.stderr.decode(errors="replace").split("\n")
            reason = next((line for line in reversed(lines) if line.strip()), "no reason given")
        except (OSError, subprocess.TimeoutExpired, BenchmarkError) as error:
            reason = str(error)
        raise BenchmarkError(f"{self.name} cannot be read ({reason.strip()})")


def print_listing(read: Callable[[], bytes]) -> None:
    """Print a listing as JSON, and nothing else, even if the library prints something."""
    lifeline.depend_on("".join(sys.argv[1:2]))
    with redirect_stdout(sys.stderr):
        found = read()
    sys.stdout.buffer.write(found)
