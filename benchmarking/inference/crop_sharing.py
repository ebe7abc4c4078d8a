"""Sharing of crops between the jobs of a sweep, so that each picture is decoded only once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from benchmarking.inference.job import Job
from benchmarking.io import files
from benchmarking.io.downloads import cache_folder
from benchmarking.io.files import in_bytes
from benchmarking.pictures.crop_cache import CropFile, crop_file
from benchmarking.pictures.image_set import ImageSet

SPARE = 2**30
"""Bytes on the disk that files of crops must leave free."""

_WORTH_MENTIONING = 10**9
"""Size in bytes from which users are told about files of crops."""

CropCache = Path | Literal["none"] | None


@contextmanager
def crops_shared(
    jobs: Sequence[Job], images: ImageSet, cache: CropCache, tell: Callable[[str], None]
) -> Iterator[list[Job]]:
    """Assign files to jobs that share crops, and remove the files when the block ends.

    Args:
        jobs: jobs on one image set.
        images: that set.
        cache: a folder in which crops stay; "none" shares nothing; None uses the user's cache.
        tell: called with a message about large files.
    """
    if cache == "none":
        yield list(jobs)
        return
    if cache:
        yield sharing(jobs, images, cache, at_least=1)
        return
    folder = cache_folder("crops")
    shared = sharing(jobs, images, folder)
    used = {job.crops for job in shared if job.crops}
    size = sum(file.size for file in used)
    if size >= _WORTH_MENTIONING:
        tell(f"crops that models share are kept meanwhile: {in_bytes(size)} in {folder}")
    try:
        yield shared
    finally:
        for file in used:
            file.remove()


def sharing(jobs: Sequence[Job], images: ImageSet, folder: Path, *, at_least: int = 2) -> list[Job]:
    """Assign a file to each job that shares its crops, as far as the disk has space.

    Args:
        jobs: jobs on one image set.
        images: that set.
        folder: the folder of the files.
        at_least: number of jobs with the same crops from which a file is used.
    """
    wanted = [crop_file(folder, images, job.recipe) for job in jobs]
    counts = Counter(wanted)
    room = files.free(folder) - SPARE
    used: set[CropFile] = set()
    for file, n in counts.items():
        needed = 0 if file.is_complete else file.size
        if n >= at_least and needed <= room:
            room -= needed
            used.add(file)
    return [
        replace(job, crops=file if file in used else None)
        for job, file in zip(jobs, wanted, strict=True)
    ]
