"""Recipes, step by step, as the library of each carries them out."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import PictureError, requires
from benchmarking.images._files import MOST_PIXELS, opened, refuse_too_many_pixels
from benchmarking.specs import Interpolation, Library, Preprocessing, Rounding

_ROUND: Mapping[Rounding, Callable[[float], int]] = {"floor": math.floor, "half-even": round}


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
    refuse_too_many_pixels(side, other, "resized, it would have")
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

    with opened(data) as file:
        height, width = resized(file.height, file.width, preprocessing)
        if preprocessing.library == "pillow-draft":
            file.draft("RGB", (width, height))
        file.load()
        picture = file if file.mode == "RGB" else file.convert("RGB")
        height, width = resized(picture.height, picture.width, preprocessing)
        if picture.size != (width, height):
            filter_ = Image.Resampling[_PILLOW_FILTERS[preprocessing.interpolation]]
            picture = picture.resize((width, height), filter_)
        top, left = crop_corner(height, width, preprocessing)
        bottom, right = top + preprocessing.crop, left + preprocessing.crop
        return np.array(picture.crop((left, top, right, bottom)))  # black beyond the border


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
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))
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
