"""The contents of pictures: which can be read, which are shared by two sets or occur twice."""

from __future__ import annotations

import hashlib
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarking.errors import PictureError
from benchmarking.io.prefetch import prefetched
from benchmarking.io.printable import printable
from benchmarking.io.progress import bar
from benchmarking.pictures.decode import opened
from benchmarking.pictures.image_set import Picture

_SHOWN = 10  # unreadable pictures that a message names


@dataclass(frozen=True)
class Content:
    """A picture and digests of its content.

    Attributes:
        picture: the picture.
        sha256: sha256 of the bytes of its file, in hex.
        pixels: sha256 of its size and its RGB pixels, in hex: the same for copies of a picture in
            files that differ, for example in their metadata.
    """

    picture: Picture
    sha256: str
    pixels: str


def read_contents(pictures: Sequence[Picture], workers: int) -> list[Content]:
    """Read and decode every picture, with a progress bar.

    Raises:
        PictureError: some pictures cannot be read or decoded; the message names them.
    """
    with warnings.catch_warnings(), prefetched(_read, pictures, workers) as read:
        warnings.filterwarnings("ignore", module="PIL")  # about metadata; would break the bar
        found = list(bar(read, title="reading", total=len(pictures), unit=" images"))
    bad = [
        f"{picture.place}: {content}"
        for picture, content in zip(pictures, found, strict=True)
        if isinstance(content, str)
    ]
    if bad:
        lines = "".join(f"\n  {printable(one)}" for one in bad[:_SHOWN])
        more = f"\n  and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise PictureError(
            f"{len(bad)} of {len(pictures)} pictures cannot be read:{lines}{more}\nReplace them "
            "with intact copies, or remove them."
        )
    return [content for content in found if isinstance(content, Content)]


def shared(train: Sequence[Content], validation: Sequence[Content]) -> tuple[tuple[str, str], ...]:
    """Keys of validation pictures that are also training pictures, each with the training key.

    Of several training pictures with the same content, the first is named.
    """
    by_pixels = {one.pixels: one.picture.key for one in reversed(train)}
    return tuple(
        (one.picture.key, by_pixels[one.pixels]) for one in validation if one.pixels in by_pixels
    )


def repeated(contents: Sequence[Content]) -> tuple[tuple[str, ...], ...]:
    """Keys of pictures with the same content, in groups of two or more."""
    groups = _by_pixels(contents).values()
    return tuple(tuple(one.picture.key for one in group) for group in groups if len(group) > 1)


def contradictions(contents: Sequence[Content]) -> tuple[tuple[str, ...], ...]:
    """Keys of pictures with the same content in two or more classes."""
    return tuple(
        tuple(one.picture.key for one in group)
        for group in _by_pixels(contents).values()
        if len({one.picture.label for one in group}) > 1
    )


def distinct(contents: Sequence[Content]) -> list[Content]:
    """The first picture of each content."""
    return [group[0] for group in _by_pixels(contents).values()]


def _by_pixels(contents: Sequence[Content]) -> Mapping[str, list[Content]]:
    groups = defaultdict(list)
    for one in contents:
        groups[one.pixels].append(one)
    return groups


def _read(picture: Picture) -> Content | str:
    """The content of a picture, or why it cannot be used."""
    try:
        data = picture.read()
        with opened(data) as file:
            size, pixels = file.size, file.convert("RGB").tobytes()
    except PictureError as error:
        return str(error)
    whole = hashlib.sha256(f"{size} ".encode())
    whole.update(pixels)
    return Content(picture, hashlib.sha256(data).hexdigest(), whole.hexdigest())
