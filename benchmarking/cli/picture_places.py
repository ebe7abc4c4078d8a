"""Arguments that select places of pictures, one or several, and the names of their image sets."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarking.cli.arguments import place
from benchmarking.errors import BenchmarkError


@dataclass(frozen=True)
class Chosen:
    """A place of pictures.

    Attributes:
        place: a path, the name of a picture set, or NAME:PATH.
        name: name of the image set; None for the default name of its place.
    """

    place: str
    name: str | None = None


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the places of pictures, and --images."""
    parser.add_argument(
        "pictures",
        nargs="*",
        type=place,
        metavar="PICTURES",
        help="a tar or folder of labelled pictures, or 'demo'; several places are predicted one "
        "after the other",
    )
    parser.add_argument(
        "--images",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="name of the image set (default: after the folder); or NAME=PICTURES for several "
        "sets, as in --images val=/data/val v2=/data/imagenetv2-matched-frequency.tar.gz",
    )


def chosen_places(pictures: Sequence[str], images: Sequence[str] | None) -> list[Chosen]:
    """The chosen places, in the order of the command.

    Args:
        pictures: places that are given without a name.
        images: the values of --images.

    Raises:
        BenchmarkError: there is no place, a place has no name or several names, or a
            name stands for two places.

    >>> chosen_places(["/a"], ["val"])
    [Chosen(place='/a', name='val')]
    >>> chosen_places([], ["val", "/a"])  # the option was written before the place
    [Chosen(place='/a', name='val')]
    >>> chosen_places([], ["val=/a", "v2=/b"])
    [Chosen(place='/a', name='val'), Chosen(place='/b', name='v2')]
    """
    given = [one for one in images or () if "=" in one]
    names = [one for one in images or () if "=" not in one]
    if not pictures and not given and len(names) == 2:  # --images NAME PICTURES
        names, pictures = names[:1], [place(names[1])]
    if names and (len(pictures) != 1 or given):
        raise BenchmarkError(
            f"--images {names[0]} names one place of pictures; for several sets give each name "
            f"with its place: --images {names[0]}=PICTURES"
        )
    if not pictures and not given:
        raise BenchmarkError(
            "no pictures are given; expected a tar or folder of labelled pictures, or 'demo'"
        )
    parts = [one.partition("=") for one in given]
    for name, _, where in parts:
        if not name or not where:
            raise BenchmarkError(
                f"--images {name}={where} lacks its {'place' if name else 'name'}; expected "
                "NAME=PICTURES"
            )
    for name, n in Counter(name for name, _, _ in parts).items():
        if n > 1:
            raise BenchmarkError(f"--images {name} names {n} places; name each once")
    unnamed = [Chosen(where, names[-1] if names else None) for where in pictures]
    return [*unnamed, *(Chosen(place(where), name) for name, _, where in parts)]
