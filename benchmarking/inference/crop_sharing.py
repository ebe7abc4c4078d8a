"""Which jobs of a sweep look at the same crops, so that each picture is decoded once for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarking import files
from benchmarking.crops import CropFile, crop_file
from benchmarking.image_sets import ImageSet
from benchmarking.jobs import Job
from benchmarking.sources import spec_of

SPARE = 2**30
"""Bytes of a disk that files of crops leave free."""


def sharing(jobs: Sequence[Job], images: ImageSet, folder: Path, *, at_least: int = 2) -> list[Job]:
    """Jobs with the file in which they share their crops, as far as the disk has room.

    Args:
        jobs: on one image set.
        images: that set.
        folder: for the files.
        at_least: how many jobs must want the same crops for a file to be worth its room.
    """
    wanted = [_file(job, images, folder) for job in jobs]
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


def _file(job: Job, images: ImageSet, folder: Path) -> CropFile:
    return crop_file(folder, images, spec_of(job.run.source, job.run.model).recipes[job.run.recipe])
