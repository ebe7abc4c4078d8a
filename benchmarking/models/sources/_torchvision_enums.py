"""The entries of the weights enums of the installed torchvision.

If it is another version than that of the shipped entries, they are read from the library, in a
process of its own because importing torch takes seconds, and are kept in the user's cache. As a
command, this module prints them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import redirect_stdout, suppress
from functools import cache
from importlib import metadata
from math import isfinite
from pathlib import Path
from typing import Any

from benchmarking import __version__
from benchmarking.errors import BenchmarkError
from benchmarking.io import files, user_folders
from benchmarking.io.progress import notice
from benchmarking.models.torchvision_entries import Entries, Entry, as_json, decoded, shipped
from benchmarking.models.transforms import recipe_of

_CLASSES = 1000
_SECONDS = 600
"""Time after which reading the entries is given up; importing torch from a slow disk takes long."""


@cache
def entries() -> tuple[Entry, ...]:
    """The entries of the installed torchvision; those that come with this package if there is none.

    If the installed torchvision cannot be imported, a notice says so.
    """
    known = shipped()
    try:
        version = metadata.version("torchvision").partition("+")[0]
    except metadata.PackageNotFoundError:
        return known.entries
    if version == known.version:
        return known.entries
    kept = _kept(version)
    if kept is not None:
        return kept.entries
    try:
        found = _asked()
    except BenchmarkError as error:
        notice(f"{error}; its models are listed as of version {known.version}")
        return known.entries
    with suppress(BenchmarkError):  # without the cache, the next command asks again
        files.write(_place(version), as_json(found))
    return found.entries


def read() -> Entries:
    """Read the entries from the weights enums of the installed torchvision, which imports torch."""
    import torchvision
    from torchvision.models import get_model_weights, list_models

    names = sorted(list_models(module=torchvision.models), key=_by_number)
    found = (_entry(name, one) for name in names for one in get_model_weights(name))
    version = torchvision.__version__.partition("+")[0]
    return Entries(version, tuple(entry for entry in found if entry is not None))


def _by_number(name: str) -> str:
    """Sort key that puts "resnet50" before "resnet101"."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(9), name)


def _entry(model: str, one: Any) -> Entry | None:
    """An entry of an enum; None if it has no classifier for the classes of ImageNet."""
    meta = one.meta
    if len(meta.get("categories") or ()) != _CLASSES:
        return None
    measured = meta.get("_metrics", {}).get("ImageNet-1K", {})
    return Entry(
        model,
        one.name,
        one.url,
        _finite(meta.get("_file_size")),
        meta["num_params"],
        _finite(meta.get("_ops")),
        _finite(measured.get("acc@1")),
        _finite(measured.get("acc@5")),
        meta.get("license", ""),
        _recipe(one.transforms()),
    )


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None


def _recipe(transform: Any) -> dict[str, Any] | None:
    """An evaluation transform as a recipe; None if it cannot be translated into one."""
    try:
        return recipe_of(transform).as_document()
    except BenchmarkError:
        return None


def _place(version: str) -> Path:
    """The file in the user's cache; it belongs to one version of this package too."""
    return user_folders.cache() / f"models-{__version__}" / f"torchvision-{version}.json"


def _kept(version: str) -> Entries | None:
    """The entries of a version in the user's cache; None if they are missing or damaged."""
    try:
        found = decoded(files.read_regular(_place(version)))
    except (OSError, BenchmarkError):
        return None
    return found if found.version == version else None


def _asked() -> Entries:
    """The entries that a new process reads from the installed torchvision.

    Raises:
        BenchmarkError: it cannot be imported.
    """
    path = os.pathsep.join(filter(None, sys.path))
    try:
        done = subprocess.run(  # noqa: S603 - this package's own module
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            env={**os.environ, "PYTHONPATH": path},
            check=True,
        )
        return decoded(done.stdout)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").split("\n")
        reason = next((line for line in reversed(lines) if line.strip()), "no reason given")
    except (OSError, subprocess.TimeoutExpired, BenchmarkError) as error:
        reason = str(error)
    raise BenchmarkError(f"torchvision cannot be read ({reason.strip()})")


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):  # a library may print
        found = read()
    sys.stdout.buffer.write(as_json(found))
