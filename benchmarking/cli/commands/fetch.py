"""Download public files: those that this project uses, and archives of picture sets.

The size and the digest of each file are checked. The files go into your cache. A file gets its name
only when it is complete and checked, so after an interruption the same command downloads what is
missing; the download of an archive is resumed in the middle. An archive is read without unpacking,
and 'predict' opens it by the name of its image set, such as imagenet-a.

For a machine without network: run the command with --to DIR on a machine with network, copy DIR,
and run the command with --from DIR. --from URL selects a mirror with the same files.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from collections.abc import Generator

    from benchmarking.io.downloads import Collection, Fetched

NAME = "fetch"
HELP = "download public files, such as the predictions of 2019, and check them"

# The command that uses a collection in the cache.
_NEXT = {"predictions-2019": "imagenet_benchmarking.py"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from benchmarking.io.downloads import collections
    from benchmarking.pictures.archives import archives

    lines = [f"  {name:18}{found.about}" for name, found in collections().items()]
    sets = [f"  {name:26}{one.file}, {one.size:,} bytes" for name, one in archives().items()]
    parser.epilog = "\n".join(["collections:", *lines, "", "archives of picture sets:", *sets])
    add = parser.add_argument
    known = [*collections(), *archives()]
    add("collection", metavar="COLLECTION", choices=known, help="see below")
    add(
        "--from",
        dest="origin",
        metavar="URL|DIR",
        help="address of a mirror, or a folder with copies (default: where the files were "
        "published)",
    )
    add("--to", type=expanded, metavar="DIR", help="folder for the files (default: in your cache)")


def run(args: argparse.Namespace) -> int:
    """Fetch a collection and print its folder."""
    from benchmarking.io.downloads import cache_folder, collections, fetch, origin_of

    if args.collection not in collections():
        return _run_archive(args)
    collection = collections()[args.collection]
    origin = origin_of(args.origin) if args.origin is not None else collection.url
    folder = args.to or cache_folder(collection.name)
    try:
        were_there = _follow(collection, fetch(collection, origin, folder))
    except KeyboardInterrupt:
        print("\nstopped; complete files are kept, the same command resumes", file=sys.stderr)
        return 130
    n = len(collection.files)
    following = _NEXT.get(collection.name) if args.to is None else None
    print(
        f"{collection.name}: {n} file{'s' * (n != 1)} in {folder}, {were_there} there before"
        + (f"; next: {following}" if following else "")
    )
    return 0


def _run_archive(args: argparse.Namespace) -> int:
    """Fetch the archive of a picture set and print its path."""
    from benchmarking.io.downloads import cache_folder, origin_of
    from benchmarking.io.progress import bar
    from benchmarking.pictures.archives import archives, fetch_archive

    archive = archives()[args.collection]
    origin = origin_of(args.origin) if args.origin is not None else None
    folder = args.to or cache_folder("pictures")
    try:
        was_there = fetch_archive(
            archive,
            origin,
            folder,
            lambda size: bar(title=archive.file, total=size, unit="B", is_bytes=True),
        )
    except KeyboardInterrupt:
        print("\nstopped; what has arrived is kept, the same command resumes", file=sys.stderr)
        return 130
    print(f"{folder / archive.file}{' was there before' if was_there else ''}")
    return 0


def _follow(collection: Collection, fetched: Generator[Fetched, None, None]) -> int:
    """Show a bar during the download, and return how many files were there before."""
    from benchmarking.io.progress import bar

    total = sum(file.bytes for file in collection.files)
    were_there = 0
    with (
        closing(fetched),
        bar(title=collection.name, total=total, unit="B", is_bytes=True) as progress,
    ):
        for one in fetched:
            were_there += one.was_there
            progress.update(one.file.bytes)
    return were_there
