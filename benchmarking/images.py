"""From a picture's bytes to the uint8 crop that a model sees; the only user of Pillow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import PictureError, requires
from benchmarking.specs import Library, Preprocessing, Rounding

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

    >>> recipe = Preprocessing("pillow", "bicubic", resize=256, crop=224, scaling="tf")
    >>> resized(375, 500, recipe), resized(500, 333, recipe)
    ((256, 341), (384, 256))
    """
    if not isinstance(preprocessing.resize, int):
        return preprocessing.resize
    shorter, longer = sorted((height, width))
    side = preprocessing.resize
    other = _ROUND[preprocessing.resize_rounding](side * longer / shorter)
    return (side, other) if height <= width else (other, side)


def crop_corner(height: int, width: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """Top and left of the centre crop in a resized picture of this height and width.

    >>> recipe = Preprocessing("pillow", "bicubic", resize=256, crop=224, scaling="tf")
    >>> crop_corner(256, 341, recipe)
    (16, 58)
    """
    rounded = _ROUND[preprocessing.crop_rounding]
    return (
        rounded((height - preprocessing.crop) / 2),
        rounded((width - preprocessing.crop) / 2),
    )


def _pillow_crop(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """As torchvision and timm use it: RGB whatever the file holds, EXIF rotation ignored."""
    with requires("pytorch"):
        from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data)) as file:
            picture = file.convert("RGB")
    except UnidentifiedImageError as error:
        raise PictureError("is in no format that Pillow knows.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureError(f"cannot be decoded by Pillow: {error}") from error
    height, width = resized(picture.height, picture.width, preprocessing)
    if picture.size != (width, height):
        filter_ = Image.Resampling[preprocessing.interpolation.upper()]
        picture = picture.resize((width, height), filter_)
    top, left = crop_corner(height, width, preprocessing)
    side = preprocessing.crop
    return np.array(picture.crop((left, top, left + side, top + side)))


def _pillow_versions() -> dict[str, str]:
    from PIL import __version__, features

    turbo = features.version_feature("libjpeg_turbo")
    jpeg = {"libjpeg-turbo": turbo} if turbo else {"libjpeg": str(features.version_codec("jpg"))}
    return {"Pillow": __version__, **jpeg}


_CROP: Mapping[Library, Callable[[bytes, Preprocessing], NDArray[np.uint8]]] = {
    "pillow": _pillow_crop,
}
_VERSIONS: Mapping[Library, Callable[[], dict[str, str]]] = {"pillow": _pillow_versions}
