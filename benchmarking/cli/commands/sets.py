"""List the published picture sets: what they are, how they are scored, and which are here.

Each set is opened by 'predict PLACE', where PLACE is its folder or its uncompressed tar. NAME:PLACE
says which set a place is, if its name does not.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.io.printable import printable
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.pictures.set_facts import Archive, SetFacts

NAME = "sets"
HELP = "list the published picture sets, their sizes, licences and scores"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folders",
        nargs="*",
        type=expanded,
        metavar="FOLDER",
        help="folders in which to look for them, beside the cache of 'fetch': their subfolders and "
        "archives, by name and layout",
    )


def run(args: argparse.Namespace) -> int:
    """Print every published set."""
    from benchmarking.pictures.sets import published_sets

    here = list(_places([*args.folders, *_cache()]))
    for name, facts in published_sets().items():
        found = [place for owner, place in here if owner == name]
        print("\n  ".join(_lines(name, facts, found)))
    return 0


def _cache() -> list[Path]:
    """The folder of fetched archives, if there is one; a note tells if it is unknown."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.io.downloads import cache_folder
    from benchmarking.io.progress import notice

    try:
        folder = cache_folder("pictures")
    except BenchmarkError as error:
        notice(f"note: the cache is left out: {error}")
        return []
    return [folder] if folder.is_dir() else []


def _lines(name: str, facts: SetFacts, here: Sequence[Path]) -> Iterator[str]:
    """The text about a set: its name, then its facts."""
    yield name
    yield facts.about
    yield f"scored by: {facts.scoring}"
    yield f"licence: {facts.licence}"
    for archive in facts.archives:
        if archive.file:
            yield f"archive: {_archive(archive)}"
    if facts.note:
        yield f"note: {facts.note}"
    yield f"here: {', '.join(printable(str(place)) for place in here) or 'no'}"


def _archive(archive: Archive) -> str:
    size = f"{archive.size:,} bytes" if archive.size else "size not known"
    digest = f"sha256 {archive.sha256}" if archive.sha256 else f"md5 {archive.md5}"
    known = archive.sha256 or archive.md5
    return f"{archive.file}, {size}, {digest if known else 'no published digest'}"


def _places(folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """The sets that folders and their entries are, each with its place.

    Raises:
        BenchmarkError: a folder cannot be read.
    """
    from benchmarking.errors import BenchmarkError
    from benchmarking.pictures.sets import Match, picture_sets, published_sets

    known = {name: one for name, one in picture_sets().items() if name in published_sets()}
    for folder in folders:
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            raise BenchmarkError(f"{folder} cannot be read: {error.strerror}.") from error
        for place in (folder, *entries):
            for name, one in known.items():
                if one.match(str(place)) == Match.LAYOUT:
                    yield name, place
