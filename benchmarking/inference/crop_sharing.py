"""Sharing of crops between the jobs of a sweep, so that each picture is decoded only once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from benchmarking.errors import BenchmarkError
from benchmarking.inference.job import Job
from benchmarking.io import files
from benchmarking.io.downloads import cache_folder
from benchmarking.io.files import in_bytes
from benchmarking.pictures.crop_cache import CropFile, crop_file, remove_left_over
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.kept_crops import KeptCrops, has_crops, keep_crops
from benchmarking.pictures.recipe import Preprocessing

SPARE = 2**30
"""Bytes on the disk that files of crops must leave free."""

WORTH_MENTIONING = 10**9
"""Size in bytes from which users are told about files of crops."""

CropCache = Path | Literal["none"] | None


@contextmanager
def crops_shared(
    jobs: Sequence[Job], images: ImageSet, cache: CropCache, tell: Callable[[str], None]
) -> Iterator[list[Job]]:
    """Assign files to jobs that share crops, and remove the files when the block ends.

    Files that killed sweeps have left are used again, or removed.

    Args:
        jobs: jobs on one image set.
        images: that set.
        cache: a folder in which crops stay; "none" shares nothing; None uses the user's cache.
        tell: called with a message about large files.
    """
    try:
        own = cache_folder("crops")
    except BenchmarkError as error:
        if cache is None:
            tell(f"crops are not kept for later models: {error}")
        if not isinstance(cache, Path):
            yield list(jobs)
            return
        own = cache
    folder = cache if isinstance(cache, Path) else own
    with ExitStack() as stack:
        stack.callback(remove_left_over, folder)  # of a worker that was stopped

        def is_worth_it(file: CropFile, n: int) -> bool:
            """Whether n jobs should share this file."""
            return cache != "none" if cache else (n > 1 or file.is_complete) and file.use(stack)

        if folder != own:
            remove_left_over(own)
        shared = sharing(jobs, images, folder, is_worth_it)
        size = sum(file.size for file in {job.crops for job in shared if job.crops})
        is_new = any(not job.crops.is_complete for job in shared if job.crops)
        if cache is None and size >= WORTH_MENTIONING and is_new:
            tell(f"crops that models share are kept meanwhile: {in_bytes(size)} in {folder}")
        yield shared


def crops_folder(cache: CropCache) -> Path | None:
    """The folder of files of crops; None if they may not be kept, or the cache is unknown."""
    if cache is not None:
        return None if cache == "none" else cache
    try:
        return cache_folder("crops")
    except BenchmarkError:  # it is told when the sweep begins
        return None


def begin_to_keep(
    images: str,
    n: int,
    recipes: Sequence[Preprocessing],
    cache: CropCache,
    tell: Callable[[str], None],
) -> list[KeptCrops]:
    """Begin to keep the crops that the check of the pictures makes, as far as there is room.

    Args:
        images: name of the image set.
        n: number of its pictures.
        recipes: recipes of the jobs that are to be computed.
        cache: see `crops_shared`.
        tell: called with a message about large files.
    """
    folder = crops_folder(cache)
    if folder is None or not recipes:
        return []
    remove_left_over(folder)
    wanted = [recipe for recipe in recipes if not has_crops(folder, images, n, recipe)]
    found = keep_crops(folder, images, n, wanted, files.free(folder) - SPARE)
    size = sum(one.file.crops.size for one in found)
    if cache is None and size >= WORTH_MENTIONING:
        tell(f"crops are kept until the models have seen them: {in_bytes(size)} in {folder}")
    return found


def sharing(
    jobs: Sequence[Job],
    images: ImageSet,
    folder: Path,
    is_worth_it: Callable[[CropFile, int], bool] = lambda file, n: True,
) -> list[Job]:
    """Assign a file to each job that shares its crops, as far as the disk has space.

    Files that killed processes have left in the folder are removed, unless they are used now.

    Args:
        jobs: jobs on one image set.
        images: that set.
        folder: the folder of the files.
        is_worth_it: called with a file and the number of jobs that want it; whether to use it.
    """
    wanted = [crop_file(folder, images, job.recipe) for job in jobs]
    chosen = [file for file, n in Counter(wanted).items() if is_worth_it(file, n)]
    remove_left_over(folder)
    room = files.free(folder) - SPARE
    used: set[CropFile] = set()
    for file in chosen:
        needed = 0 if file.is_complete else file.size
        if needed <= room:
            room -= needed
            used.add(file)
    return [
        replace(job, crops=file if file in used else None)
        for job, file in zip(jobs, wanted, strict=True)
    ]
