"""From picture bytes to the uint8 crop that a model sees; the only user of Pillow and OpenCV."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import PictureError, requires
from benchmarking.specs import Interpolation, Library, Preprocessing, Rounding

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What a picture may be in. Pillow knows more, and gives some of it to other programs to run."""

_ROUND: Mapping[Rounding, Callable[[float], int]] = {"floor": math.floor, "half-even": round}

# Pixels of a picture, before and after its resize, that are let into memory: as many as Pillow
# takes without a warning. A file of a few hundred bytes can claim 65535 x 65535.
_MOST_PIXELS = 89_478_485
_MOST_SCANS = 100  # of a JPEG, each of which costs the time of a whole picture; ten are usual


@dataclass(frozen=True)
class PictureFacts:
    """What a picture's file says of itself.

    Attributes:
        format: Pillow's name of it, such as "JPEG".
        mode: Pillow's name of its colours, such as "RGB", "L" (grey) or "CMYK".
        size: width and height in pixels, before any rotation by EXIF.
        table: the JPEG quantisation table of luminance, 64 values; () in other formats.
        progressive: whether it is a progressive JPEG.
        rotated: whether EXIF says to turn it, as OpenCV does and Pillow does not.
        comment: its own, or "".
        software: the program that EXIF names, or "".
        ended: whether a JPEG has its end marker; without it, it was cut.
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
    """A picture that Pillow cannot decode; `kind` names the finding about it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def crop(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Decode, resize and crop one picture.

    Args:
        data: the picture's file, in any format that the recipe's library reads.
        preprocessing: the recipe; its scaling is left to the framework.

    Returns:
        (crop, crop, 3) RGB.

    Raises:
        PictureError: the library cannot decode the picture.
        MissingDependency: the library is not installed.
    """
    return _CROP[preprocessing.library](data, preprocessing)


def inspect(data: bytes) -> PictureFacts:
    """Decode a picture in full, as the recipes that use Pillow do, and say what its file says.

    Raises:
        Undecodable: Pillow cannot.
        MissingDependency: Pillow is not installed.
    """
    with _opened(data) as file:
        facts = _facts(file, data)
        file.convert("RGB")
    return facts


def check(data: bytes) -> None:
    """Read a picture to its end, as cheaply as shows whether Pillow can decode it.

    Every byte of a JPEG's scans is read, but an eighth of its sides is computed: a third of the
    time that a crop takes.

    Raises:
        Undecodable: Pillow cannot.
        MissingDependency: Pillow is not installed.
    """
    with _opened(data) as file:
        file.draft(file.mode, (file.width // 8, file.height // 8))
        file.load()


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    """Pillow's picture of these bytes, whose faults come out as Undecodable."""
    with requires("pytorch"):
        from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data), formats=FORMATS) as file:
            _refuse_too_many(file.height, file.width, "it claims")
            if file.format == "JPEG" and data.count(b"\xff\xda") > _MOST_SCANS:
                raise Undecodable("undecodable", f"has more than {_MOST_SCANS} scans.")
            yield file
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        jpeg = data.startswith(b"\xff\xd8\xff")
        kind = "undecodable" if jpeg else "no-picture"
        raise Undecodable(kind, "is in no format that Pillow knows.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Undecodable("too-many-pixels", f"cannot be decoded by Pillow: {error}") from error
    except Exception as error:  # whatever a damaged file provokes in one of Pillow's many readers
        kind = "truncated" if "truncated" in str(error).lower() else "undecodable"
        raise Undecodable(kind, f"cannot be decoded by Pillow: {error}") from error


def library_versions(library: Library) -> dict[str, str]:
    """Versions of a library and of the JPEG decoder inside it; both can change pixels."""
    return _VERSIONS[library]()


def resized(height: int, width: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """Height and width in pixels after the recipe's resize, before its crop.

    Raises:
        PictureError: the picture is so narrow that it would fill the memory.

    >>> recipe = Preprocessing("pillow", "bicubic", resize=256, crop=224, scaling="tf")
    >>> resized(375, 500, recipe), resized(500, 333, recipe)
    ((256, 341), (384, 256))
    """
    if not isinstance(preprocessing.resize, int):
        return preprocessing.resize
    shorter, longer = sorted((height, width))
    side = preprocessing.resize
    other = _ROUND[preprocessing.resize_rounding](side * longer / shorter)
    _refuse_too_many(side, other, "resized, it would have")
    return (side, other) if height <= width else (other, side)


def crop_corner(height: int, width: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """Top and left of the centre crop in a resized picture; negative where it pads.

    >>> recipe = Preprocessing("pillow", "bicubic", resize=256, crop=224, scaling="tf")
    >>> crop_corner(256, 341, recipe)
    (16, 58)
    """
    rounded = _ROUND[preprocessing.crop_rounding]
    side = preprocessing.crop

    def start(pixels: int) -> int:
        # torchvision pads the odd pixel at the end, whatever its crop's rounding.
        return rounded((pixels - side) / 2) if pixels >= side else -((side - pixels) // 2)

    return start(height), start(width)


def _centre(picture: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """The central square of a resized picture, black where the picture does not reach."""
    height, width, _ = picture.shape
    side = preprocessing.crop
    top, left = crop_corner(height, width, preprocessing)
    square = np.zeros((side, side, 3), np.uint8)
    inside = picture[max(top, 0) : top + side, max(left, 0) : left + side]
    down, right = max(-top, 0), max(-left, 0)
    square[down : down + inside.shape[0], right : right + inside.shape[1]] = inside
    return square


def _pillow_crop(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """As torchvision, timm and Keras use it: RGB whatever the file holds, EXIF rotation ignored."""
    with requires("pytorch"):
        from PIL import Image

    with _opened(data) as file:
        height, width = resized(file.height, file.width, preprocessing)
        if preprocessing.library == "pillow-draft":
            file.draft("RGB", (width, height))
        picture = file.convert("RGB")
        height, width = resized(picture.height, picture.width, preprocessing)
        if picture.size != (width, height):
            filter_ = Image.Resampling[_PILLOW_FILTERS[preprocessing.interpolation]]
            picture = picture.resize((width, height), filter_)
    return _centre(np.asarray(picture), preprocessing)


def _refuse_too_many(height: int, width: int, where: str) -> None:
    if height * width > _MOST_PIXELS:
        raise Undecodable(
            "too-many-pixels",
            f"is too large: {where} {width} x {height} pixels, and at most {_MOST_PIXELS:,} are "
            "let into memory.",
        )


def _facts(file: Any, data: bytes) -> PictureFacts:
    """What an opened picture says of itself; broken EXIF counts as none."""
    try:
        exif = file.getexif()
        orientation, software = exif.get(0x0112, 1), str(exif.get(0x0131, ""))
    except Exception:  # it is read lazily, by a parser of its own, and pixels do not depend on it
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
        # Neither marker occurs within the data of a scan; an EXIF thumbnail has both, and earlier.
        file.format != "JPEG" or data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda"),
    )


def _pillow_versions() -> dict[str, str]:
    from PIL import __version__, features

    turbo = features.version_feature("libjpeg_turbo")
    jpeg = {"libjpeg-turbo": turbo} if turbo else {"libjpeg": str(features.version_codec("jpg"))}
    return {"Pillow": __version__, **jpeg}


def _opencv_crop(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """As cv2.imread decodes, rotated as EXIF says; its resize does not antialias."""
    cv2 = _opencv()
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise PictureError("cannot be decoded by OpenCV.")
        height, width = resized(picture.shape[0], picture.shape[1], preprocessing)
        if picture.shape[:2] != (height, width):
            filter_ = getattr(cv2, _OPENCV_FILTERS[preprocessing.interpolation])
            picture = cv2.resize(picture, (width, height), interpolation=filter_)
    except (cv2.error, MemoryError) as error:
        why = getattr(error, "err", error)
        raise PictureError(f"cannot be decoded by OpenCV: {why}") from error
    return _centre(picture[:, :, ::-1], preprocessing)


def _opencv() -> Any:
    """OpenCV, which reads its limits once, when it is imported."""
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(_MOST_PIXELS))
    with requires("keras"):
        import cv2
    return cv2


def _opencv_versions() -> dict[str, str]:
    cv2 = _opencv()
    jpeg = re.search(r"JPEG:\s+(?:.*\(ver ([\w.]+)|(\S+))", cv2.getBuildInformation())
    found = next((part for part in jpeg.groups() if part), "unknown") if jpeg else "unknown"
    return {"OpenCV": cv2.__version__, "OpenCV's JPEG library": found}


_PILLOW_FILTERS: Mapping[Interpolation, str] = {
    "nearest": "NEAREST",
    "bilinear": "BILINEAR",
    "bicubic": "BICUBIC",
    "area": "BOX",
}
_OPENCV_FILTERS: Mapping[Interpolation, str] = {
    "nearest": "INTER_NEAREST",
    "bilinear": "INTER_LINEAR",
    "bicubic": "INTER_CUBIC",
    "area": "INTER_AREA",  # the only one that antialiases
}
_CROP: Mapping[Library, Callable[[bytes, Preprocessing], NDArray[np.uint8]]] = {
    "pillow": _pillow_crop,
    "pillow-draft": _pillow_crop,
    "opencv": _opencv_crop,
}
_VERSIONS: Mapping[Library, Callable[[], dict[str, str]]] = {
    "pillow": _pillow_versions,
    "pillow-draft": _pillow_versions,
    "opencv": _opencv_versions,
}
