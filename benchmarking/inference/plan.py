"""The room that a sweep needs on disks: for its runs, and for crops meanwhile."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.cli._progress import notice

if TYPE_CHECKING:
    from benchmarking.image_sets import ImageSet
    from benchmarking.jobs import Job
    from benchmarking.specs import ModelSpec

# Bytes on a disk that a user would want to know of.
_WORTH_MENTIONING = 10**9


def size_of_runs(args: argparse.Namespace, n: int, specs: Sequence[ModelSpec]) -> int:
    """Bytes that the runs will need at most."""
    from benchmarking.store import bytes_needed

    classes = (spec.classes if args.save_all_probs else 0 for spec in specs)
    return sum(bytes_needed(n, classes=count) for count in classes)


def check_room(folder: Path, needed: int) -> None:
    """Refuse a disk that cannot be written, or is too full.

    Raises:
        BenchmarkError: it is.
    """
    from benchmarking import files
    from benchmarking.errors import StoreError

    files.check_writable(folder)
    if files.free(folder) < needed:
        raise StoreError(
            f"the disk of {folder} has {in_bytes(files.free(folder))} free; these runs need up to "
            f"{in_bytes(needed)}. Make room, or name another folder with --store."
        )


def in_bytes(size: int) -> str:
    """A size as people say it."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


@contextmanager
def crops_shared(
    args: argparse.Namespace, jobs: Sequence[Job], images: ImageSet
) -> Iterator[list[Job]]:
    """Jobs that share the crops they share; the files of crops go when the sweep ends.

    They stay where the user has named a folder for them.
    """
    from benchmarking.downloads import cache_folder
    from benchmarking.shared_crops import sharing

    if args.crop_cache == "none":
        yield list(jobs)
        return
    if args.crop_cache:
        yield sharing(jobs, images, Path(args.crop_cache), at_least=1)
        return
    folder = cache_folder("crops")
    shared = sharing(jobs, images, folder)
    files = {job.crops for job in shared if job.crops}
    size = sum(file.size for file in files)
    if size >= _WORTH_MENTIONING:
        notice(f"crops that models share are kept meanwhile: {in_bytes(size)} in {folder}")
    try:
        yield shared
    finally:
        for file in files:
            file.remove()
