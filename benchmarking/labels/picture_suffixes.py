"""File name suffixes of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

SUFFIXES_BY_FORMAT: Mapping[str, tuple[str, ...]] = {
    "JPEG": (".jpeg", ".jpg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pnm"),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
}
"""Suffixes in lower case, by Pillow's name of the file format."""

PICTURE_SUFFIXES = frozenset(chain.from_iterable(SUFFIXES_BY_FORMAT.values()))
"""All suffixes of pictures, in lower case."""
