"""The pictures of a sweep, each read to its end before the first is predicted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarking.cli._progress import IMAGES

if TYPE_CHECKING:
    from benchmarking.errors import PictureError
    from benchmarking.image_sets import ImageSet, Picture


def image_set(args: argparse.Namespace, name: str, pictures: Sequence[Picture]) -> ImageSet:
    """The pictures under their name; without the bad ones, under another, if that is asked for.

    Raises:
        PictureError: some cannot be decoded, and are not to be left out, or none can.
    """
    from tqdm import tqdm

    from benchmarking.datasets import image_set, inspected

    read = inspected(pictures, args.workers)
    seen = list(tqdm(read, "reading", len(pictures), **IMAGES))
    bad = [
        f"{picture.path} ({picture.key}): {look.problem}"
        for picture, look in zip(pictures, seen, strict=True)
        if look.problem
    ]
    good = [picture for picture, look in zip(pictures, seen, strict=True) if not look.problem]
    if bad and (args.on_bad_image == "stop" or not good):
        raise _bad_pictures(bad, len(pictures))
    if bad:
        name = f"{name}-without-{len(bad)}"
        lines = "\n  ".join(bad)
        print(
            f"left out, as they cannot be used:\n  {lines}\n"
            f"{len(good)} pictures remain: image set {name}",
            file=sys.stderr,
        )
    return image_set(name, good, [look.sha256 for look in seen if not look.problem])


def _bad_pictures(bad: Sequence[str], n: int) -> PictureError:
    from benchmarking.errors import PictureError

    lines = "\n  ".join(bad)
    return PictureError(
        f"{len(bad)} of {n} pictures cannot be used:\n  {lines}\nPut whole copies in their place, "
        "or leave them out with --on-bad-image skip, which makes another image set."
    )
