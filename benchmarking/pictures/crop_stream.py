"""Crops of many pictures, in order, decoded by threads ahead of use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import PictureError
from benchmarking.io.prefetch import prefetched
from benchmarking.pictures.crop import crop
from benchmarking.pictures.decode import without_border
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.recipe import Preprocessing

Crop = NDArray[np.uint8]


@contextmanager
def crops(
    pictures: Sequence[Picture], preprocessing: Preprocessing, workers: int
) -> Iterator[Iterator[Crop]]:
    """Crops of the pictures in order, (crop, crop, 3) each; threads start to decode at once.

    Raises:
        PictureError: a picture cannot be read or decoded; the message names it.
    """

    def decoded(picture: Picture) -> Crop:
        return crop_of(picture, preprocessing)

    with prefetched(decoded, pictures, workers) as seen:
        yield seen


def crop_of(picture: Picture, preprocessing: Preprocessing) -> Crop:
    """The crop of one picture.

    Raises:
        PictureError: it cannot be read or decoded; the message names it.
    """
    data = picture.read()
    try:
        return crop(without_border(data, picture.border), preprocessing)
    except PictureError as error:
        raise PictureError(f"{picture.key} in {Path(str(picture.place)).parent} {error}") from error
