"""What runs on the nodes of a cluster: the check of a node, and the tasks.

A node imports these functions by name, so it needs this package, of the same version.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from platform import python_version
from typing import Any

import benchmarking
from benchmarking import plugins
from benchmarking.errors import PictureError
from benchmarking.inference.across_devices import with_threads
from benchmarking.inference.executors import Event, Failed, Finished, Output, ended
from benchmarking.inference.executors._one_process import in_one_process
from benchmarking.io import temporary
from benchmarking.io.prefetch import cores, prefetched
from benchmarking.pictures.image_set import Picture, fingerprint

PACKAGE = "imagenet-benchmarking"

DIGEST_SIZE = 32
"""Bytes of a sha256."""

UNREADABLE = bytes(DIGEST_SIZE)
"""In place of the digest of a picture that cannot be read."""

_PERIOD = 0.25
"""Seconds for which outputs are collected, since every message costs the driver a moment."""

_MOST = 8 * 2**20
"""Bytes of outputs from which a message is sent earlier."""


@dataclass(frozen=True)
class Setting:
    """What a node takes over from the driver.

    Attributes:
        folder: the current folder, for paths of pictures and weights that are relative.
        path: folders of Python's modules, which are searched last.
        plugins: files of plug-ins, each with its sha256.
        environment: values of environment variables; None removes a variable.
    """

    folder: str
    path: tuple[str, ...]
    plugins: Mapping[str, str]
    environment: Mapping[str, str | None] = field(default_factory=dict)

    def apply(self) -> None:
        """Apply it to this process.

        Raises:
            BenchmarkError: a plug-in is missing here, or differs from that of the driver.
        """
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        here = set(sys.path)
        sys.path += [place for place in self.path if place not in here and Path(place).exists()]
        os.environ[plugins.FILES_VARIABLE] = os.pathsep.join(self.plugins)
        for name, value in self.environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        plugins.import_files(self.plugins)


@dataclass(frozen=True)
class Report:
    """What a node has.

    Attributes:
        versions: versions of Python, this package and distributions; those that are not installed
            are left out.
        fingerprint: fingerprint of its copies of the pictures; empty if they were not asked for.
        digests: the sha256 of each of these, one after the other.
        problem: why the first picture that it cannot read cannot be read; empty if it reads all.
    """

    versions: Mapping[str, str]
    fingerprint: str = ""
    digests: bytes = b""
    problem: str = ""


def report(setting: Setting, names: Sequence[str], pictures: bytes | None) -> Report:
    """Report what this node has; it reads every picture once.

    Args:
        setting: the setting of the driver.
        names: distributions whose versions are wanted.
        pictures: the pickled pictures of the image set; None for versions only.
    """
    setting.apply()
    if pictures is None:
        return Report(versions(names))
    return _with_pictures(versions(names), pickle.loads(pictures))  # noqa: S301 - of the driver


def versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of Python, this package with the digest of its code, and distributions."""
    found = {"python": python_version(), PACKAGE: f"{benchmarking.__version__} (code {_code()})"}
    for name in names:
        try:
            # A build for another device, "2.9.0+cpu", has the same version.
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return found


def unit(
    task: bytes, pictures: bytes | None, cpus: int, timeout: float | None, setting: Setting
) -> Iterator[list[bytes]]:
    """Compute a job in a process of its own; yield lists of pickled messages.

    A message is ("begun",), ("output", value), ("finished",), or ("failed", reason, details,
    cause). Ray uses its processes again, and two frameworks in one process can crash each other.

    Args:
        task: the pickled function and job, which has no pictures.
        pictures: the pickled pictures of the job; None if it is not a `Job`.
        cpus: cores for it; if it has not all cores of this machine, so many threads of frameworks.
        timeout: seconds without output after which the process is stopped; None never stops it.
        setting: the setting of the driver.
    """
    yield [pickle.dumps(("begun",))]
    setting.apply()
    temporary.remove_left_over()
    function, job = pickle.loads(task)  # noqa: S301 - written by the driver
    if pictures is not None:
        job = replace(job, pictures=pickle.loads(pictures))  # noqa: S301
    if cpus < cores():
        function = partial(with_threads, function, max(1, cpus))
    with ended(in_one_process(function, iter([job]), timeout)) as events:
        yield from _bundled(events)


def _bundled(events: Iterable[Event[Any]]) -> Iterator[list[bytes]]:
    """Messages of events in lists: the first output and the last event at once, others later."""
    held: list[bytes] = []
    is_first, since = True, time.monotonic()
    for event in events:
        message = _message(event)
        if message:
            held.append(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
        is_due = time.monotonic() - since >= _PERIOD or sum(map(len, held)) >= _MOST
        if held and (is_first or is_due or not isinstance(event, Output)):
            yield held
            held, is_first, since = [], False, time.monotonic()


def _message(event: Event[Any]) -> tuple[Any, ...] | None:
    """The message of an event; None if the driver need not know of it."""
    if isinstance(event, Output):
        return "output", event.value
    if isinstance(event, Failed):
        return "failed", event.reason, event.details, event.cause
    return ("finished",) if isinstance(event, Finished) else None


def _with_pictures(found: Mapping[str, str], pictures: Sequence[Picture]) -> Report:
    problems: list[str] = []

    def digest(picture: Picture) -> bytes:
        try:
            return hashlib.sha256(picture.read()).digest()
        except PictureError as error:
            problems.append(f"{picture.key}: {error}")
            return UNREADABLE

    with prefetched(digest, pictures, 2 * cores()) as each:
        digests = list(each)
    cut = [f" border {one.border}" if one.border else "" for one in pictures]
    lines = [f"{one.hex()}{border}" for one, border in zip(digests, cut, strict=True)]
    whole = fingerprint([picture.key for picture in pictures], lines)
    return Report(found, whole, b"".join(digests), min(problems, default=""))


def _code() -> str:
    """First digits of a digest of this package's code, which has changes without a version too."""
    root, whole = Path(benchmarking.__file__).parent, hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        whole.update(f"{path.relative_to(root)}\n".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:8]
