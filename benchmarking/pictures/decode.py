"""Picture files: the contents of their headers, and whether Pillow can decode them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from benchmarking.errors import PictureError, requires
from benchmarking.pictures import jpeg_markers

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""Allowed formats. Pillow reads more, some of them by running external programs."""

MOST_PIXELS = 89_478_485
"""Largest number of pixels that a picture may have in memory, before and after its resize.

This is Pillow's limit for a warning. A file of a few hundred bytes can claim 65535 x 65535.
"""

_MOST_SCANS = 100  # of a JPEG; ten are usual, and each takes as long as a whole picture


@dataclass(frozen=True)
class PictureFacts:
    """The contents of a picture file's header.

    Attributes:
        format: Pillow's name of the format, such as "JPEG".
        mode: Pillow's name of the colour mode, such as "RGB", "L" (grey) or "CMYK".
        size: width and height in pixels, before any rotation by EXIF.
        table: the JPEG quantisation table of luminance, 64 values; () in other formats.
        progressive: whether it is a progressive JPEG.
        rotated: whether EXIF asks for a rotation, which OpenCV applies and Pillow ignores.
        comment: the comment in the file, or "".
        software: the program that EXIF names, or "".
        ended: whether a JPEG has its end marker; without it, the file is truncated. True in other
            formats.
    """

    format: str
    mode: str
    size: tuple[int, int]
    table: tuple[int, ...]
    progressive: bool
    rotated: bool
    comment: str
    software: str
    ended: bool


class Undecodable(PictureError):
    """A picture that Pillow cannot decode; `kind` is the kind of its finding."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def inspect(data: bytes) -> PictureFacts:
    """Decode a picture in full, as recipes with Pillow do, and return the facts in its header.

    Raises:
        Undecodable: Pillow cannot decode it.
        MissingDependency: Pillow is not installed.
    """
    with opened(data) as file:
        facts = _facts(file, data)
        file.convert("RGB")
    return facts


def without_border(data: bytes, border: int) -> bytes:
    """A picture without `border` pixels at each side, as the bytes of a PNG; with 0, unchanged.

    Raises:
        Undecodable: Pillow cannot decode it, or nothing would be left.
    """
    if not border:
        return data
    with opened(data) as file:
        width, height = file.size
        if min(width, height) <= 2 * border:
            raise Undecodable(
                "too-small", f"has {width} x {height} pixels, all of them in its border of {border}"
            )
        inside = BytesIO()
        cut = file.convert("RGB").crop((border, border, width - border, height - border))
        cut.save(inside, "png", compress_level=0)
    return inside.getvalue()


def read_to_end(data: bytes) -> tuple[int, int]:
    """Check at low cost that Pillow can decode a picture to its end; returns height and width.

    Every byte of a JPEG's scans is read, but the picture is decoded at an eighth of its width and
    height. This takes a third of the time of a crop.

    Raises:
        Undecodable: Pillow cannot decode it.
        MissingDependency: Pillow is not installed.
    """
    with opened(data) as file:
        height, width = file.height, file.width
        file.draft(file.mode, (max(1, width // 8), max(1, height // 8)))
        file.convert("RGB")
    return height, width


def deep_mode(data: bytes) -> str:
    """Pillow's mode of a grey picture of more than 8 bits, such as "I;16"; "" for all others.

    Raises:
        Undecodable: Pillow cannot open the picture.
    """
    if jpeg_markers.is_jpeg(data):  # Pillow reads only JPEGs of 8 bits
        return ""
    with opened(data) as file:
        return str(file.mode) if is_deep(file.mode) else ""


def is_deep(mode: str) -> bool:
    """Whether a mode of Pillow means grey with more than 8 bits."""
    return mode == "F" or mode.startswith("I")


@contextmanager
def opened(data: bytes) -> Iterator[Any]:
    """Open a picture with Pillow; its errors are raised as Undecodable.

    All decoders open a picture here first, so that all accept the same formats and limits.
    """
    with requires("pytorch"):
        from PIL import Image, UnidentifiedImageError

    _refuse_endless_header(data)
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as file:
            refuse_too_many_pixels(file.height, file.width, "it claims")
            _refuse_too_many_scans(data)
            yield file
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        jpeg = data.startswith(b"\xff\xd8\xff")
        kind = "undecodable" if jpeg else "no-picture"
        raise Undecodable(kind, "is in no format that Pillow knows.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Undecodable("too-many-pixels", f"cannot be decoded by Pillow: {error}") from error
    except Exception as error:  # Pillow's readers may raise anything for a damaged file
        kind = "truncated" if "truncated" in str(error).lower() else "undecodable"
        raise Undecodable(kind, f"cannot be decoded by Pillow: {error}") from error


def refuse_too_many_pixels(height: int, width: int, where: str) -> None:
    """Raise Undecodable if there are more than MOST_PIXELS; `where` begins the message."""
    if height * width > MOST_PIXELS:
        raise Undecodable(
            "too-many-pixels",
            f"is too large: {where} {width} x {height} pixels, and at most {MOST_PIXELS:,} are "
            "let into memory.",
        )


def _refuse_endless_header(data: bytes) -> None:
    if jpeg_markers.is_jpeg(data) and jpeg_markers.has_endless_header(data):
        raise Undecodable(
            "undecodable",
            f"has more than {jpeg_markers.MOST_MARKERS:,} markers, or more than "
            f"{jpeg_markers.MOST_PADDING:,} bytes between them, before its first scan.",
        )


def _refuse_too_many_scans(data: bytes) -> None:
    if jpeg_markers.is_jpeg(data) and jpeg_markers.has_more_scans(data, _MOST_SCANS):
        raise Undecodable("undecodable", f"has more than {_MOST_SCANS} scans.")


def _facts(file: Any, data: bytes) -> PictureFacts:
    """The header of an opened picture; broken EXIF data is ignored."""
    try:
        exif = file.getexif()
        orientation, software = exif.get(0x0112, 1), str(exif.get(0x0131, ""))
    except Exception:  # EXIF has its own parser, and does not affect the pixels
        orientation, software = 1, ""
    comment = file.info.get("comment", b"")
    comment = comment.decode("latin-1") if isinstance(comment, bytes) else str(comment)
    return PictureFacts(
        file.format or "",
        file.mode,
        file.size,
        tuple(getattr(file, "quantization", {}).get(0, ())),
        bool(file.info.get("progressive")),
        orientation in range(2, 9),
        comment,
        software,
        not jpeg_markers.is_jpeg(data) or jpeg_markers.is_ended(data),
    )
