"""Recipes applied to pictures, step by step, exactly as each recipe's library does it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import PictureError, requires
from benchmarking.pictures.decode import MOST_PIXELS, opened, read_to_end, refuse_too_many_pixels
from benchmarking.pictures.jpeg_markers import is_huffman_coded
from benchmarking.pictures.recipe import Interpolation, Library, Preprocessing, Rounding

_ROUND: Mapping[Rounding, Callable[[float], int]] = {
    "floor": math.floor,
    "half-even": round,
    "ceil": math.ceil,
}


def crop(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Decode, resize and crop one picture.

    Args:
        data: the bytes of the picture's file, in any format that the recipe's library reads.
        preprocessing: the recipe; the framework applies its scaling later.

    Returns:
        (crop, crop, 3) RGB.

    Raises:
        PictureError: the library cannot decode the picture.
        MissingDependency: the library is not installed.
    """
    return _CROP[preprocessing.library](data, preprocessing)


def refusals(data: bytes, recipes: Collection[Preprocessing]) -> dict[Preprocessing, PictureError]:
    """The errors that `crop` raises for a picture, by recipe, found faster than by cropping.

    Every library decodes the picture, and the size after every resize is computed. There is one
    exception: if Pillow has read a Huffman-coded JPEG, OpenCV does not decode it again, because it
    has the same decoder.

    Returns:
        Only the recipes that cannot crop the picture.

    Raises:
        MissingDependency: a library is not installed.
    """
    refused: dict[Preprocessing, PictureError] = {}
    size: tuple[int, int] | None = None
    for library in get_args(Library):
        of_library = [recipe for recipe in recipes if recipe.library == library]
        if not of_library:
            continue
        try:
            if size is None or not is_huffman_coded(data):
                size = _SIZE[library](data)
        except PictureError as error:
            refused |= dict.fromkeys(of_library, error)
            continue
        for recipe in of_library:
            try:
                _refuse_resize(data, size, recipe)
            except PictureError as error:
                refused[recipe] = error
    return refused


def library_versions(library: Library) -> dict[str, str]:
    """Versions of a library and of the JPEG decoder inside it; both can change pixels."""
    return _VERSIONS[library]()


def resized(height: int, width: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """Height and width in pixels after the recipe's resize, before its crop.

    Raises:
        PictureError: the picture is so narrow that the result would have too many pixels.

    >>> from benchmarking.pictures.recipe import SCALINGS
    >>> recipe = Preprocessing("pillow", "bicubic", 256, crop=224, scaling=SCALINGS["tf"])
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
    """Top and left of the centre crop in a resized picture; negative where the crop is padded.

    >>> from benchmarking.pictures.recipe import SCALINGS
    >>> recipe = Preprocessing("pillow", "bicubic", 256, crop=224, scaling=SCALINGS["tf"])
    >>> crop_corner(256, 341, recipe)
    (16, 58)
    """
    rounded = _ROUND[preprocessing.crop_rounding]
    side = preprocessing.crop

    def start(pixels: int) -> int:
        # torchvision adds an odd pixel of padding at the end, regardless of the crop's rounding.
        return rounded((pixels - side) / 2) if pixels >= side else -((side - pixels) // 2)

    return start(height), start(width)


def square_before_resize(
    height: int, width: int, preprocessing: Preprocessing
) -> tuple[int, int, int]:
    """Top, left and side of the central square that is cut out before the resize, in pixels.

    The side is the shorter side times crop / resize. Source:
    `_decode_and_center_crop` in github.com/tensorflow/tpu,
    models/official/efficientnet/preprocessing.py.

    >>> from benchmarking.pictures.recipe import SCALINGS
    >>> recipe = Preprocessing(
    ...     "pillow", "bicubic", 256, 224, SCALINGS["identity"], crop_rounding="ceil", first="crop"
    ... )
    >>> square_before_resize(375, 500, recipe)
    (24, 86, 328)
    """
    resize = preprocessing.resize
    assert isinstance(resize, int)  # noqa: S101 - tells mypy; a recipe refuses any other
    share = min(height, width) * preprocessing.crop / resize
    side = max(1, _ROUND[preprocessing.resize_rounding](share))
    rounded = _ROUND[preprocessing.crop_rounding]
    return rounded((height - side) / 2), rounded((width - side) / 2), side


def _centre(picture: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """The central square of a resized picture, padded with black where the picture is smaller."""
    height, width, _ = picture.shape
    side = preprocessing.crop
    top, left = crop_corner(height, width, preprocessing)
    square = np.zeros((side, side, 3), np.uint8)
    inside = picture[max(top, 0) : top + side, max(left, 0) : left + side]
    down, right = max(-top, 0), max(-left, 0)
    square[down : down + inside.shape[0], right : right + inside.shape[1]] = inside
    return square


def _pillow_crop(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Crop as torchvision, timm and Keras do: convert to RGB and ignore EXIF rotation."""
    with requires("pytorch"):
        from PIL import Image

    filter_ = Image.Resampling[_PILLOW_FILTERS[preprocessing.interpolation]]
    with opened(data) as file:
        if preprocessing.library == "pillow-draft":
            _draft(file, preprocessing)
        if preprocessing.first == "crop":
            side = preprocessing.crop
            top, left, source = square_before_resize(file.height, file.width, preprocessing)
            square = file.convert("RGB").crop((left, top, left + source, top + source))
            return np.array(square if source == side else square.resize((side, side), filter_))
        resized(file.height, file.width, preprocessing)  # raises before decoding
        file.load()
        picture = file if file.mode == "RGB" else file.convert("RGB")
        height, width = resized(picture.height, picture.width, preprocessing)
        if picture.size != (width, height):
            picture = picture.resize((width, height), filter_)
        top, left = crop_corner(height, width, preprocessing)
        bottom, right = top + preprocessing.crop, left + preprocessing.crop
        return np.array(picture.crop((left, top, right, bottom)))  # black beyond the border


def _draft(file: Any, preprocessing: Preprocessing) -> None:
    """Let a JPEG be decoded at a smaller size, but not below the recipe's size after resize."""
    file.draft("RGB", resized(file.height, file.width, preprocessing)[::-1])


def _refuse_resize(data: bytes, size: tuple[int, int], preprocessing: Preprocessing) -> None:
    """Raise the error that `crop` raises after decoding a picture of this height and width."""
    if preprocessing.library == "pillow-draft":
        with opened(data) as file:
            _draft(file, preprocessing)
            size = file.height, file.width
    if preprocessing.first == "resize":
        resized(*size, preprocessing)


def _pillow_versions() -> dict[str, str]:
    from PIL import __version__, features

    turbo = features.version_feature("libjpeg_turbo")
    jpeg = {"libjpeg-turbo": turbo} if turbo else {"libjpeg": str(features.version_codec("jpg"))}
    return {"Pillow": __version__, **jpeg}


def _opencv_crop(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Crop with OpenCV: decode like cv2.imread, rotate by EXIF, resize without antialiasing."""
    cv2 = _opencv()
    picture = _opencv_picture(data)
    filter_ = getattr(cv2, _OPENCV_FILTERS[preprocessing.interpolation])
    height, width, _ = picture.shape
    if preprocessing.first == "crop":
        top, left, side = square_before_resize(height, width, preprocessing)
        picture = picture[top : top + side, left : left + side]
        height, width = preprocessing.crop, preprocessing.crop
    else:
        height, width = resized(height, width, preprocessing)
    if picture.shape[:2] != (height, width):
        try:
            picture = cv2.resize(picture, (width, height), interpolation=filter_)
        except (cv2.error, MemoryError) as error:
            raise _opencv_refusal(error) from error
    return _centre(picture[:, :, ::-1], preprocessing)


def _opencv_picture(data: bytes) -> NDArray[np.uint8]:
    """The picture that OpenCV decodes, of shape (height, width, 3) in BGR order."""
    cv2 = _opencv()
    with opened(data):  # checks formats and limits
        pass
    try:
        picture: NDArray[np.uint8] | None = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR
        )
    except (cv2.error, MemoryError) as error:
        raise _opencv_refusal(error) from error
    if picture is None:
        raise PictureError("cannot be decoded by OpenCV.")
    if picture.ndim != 3 or picture.dtype != np.uint8:
        raise PictureError("is not decoded into 8-bit colours by OpenCV.")
    return picture


def _opencv_size(data: bytes) -> tuple[int, int]:
    height, width, _ = _opencv_picture(data).shape
    return height, width


def _opencv_refusal(error: Exception) -> PictureError:
    return PictureError(f"cannot be decoded by OpenCV: {getattr(error, 'err', error)}")


def _opencv() -> Any:
    """Import OpenCV with our limit on pixels and without its messages; it reads both at import."""
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
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
    "lanczos": "LANCZOS",
    "area": "BOX",
}
_OPENCV_FILTERS: Mapping[Interpolation, str] = {
    "nearest": "INTER_NEAREST",
    "bilinear": "INTER_LINEAR",
    "bicubic": "INTER_CUBIC",
    "lanczos": "INTER_LANCZOS4",
    "area": "INTER_AREA",  # the only one that antialiases
}
_CROP: Mapping[Library, Callable[[bytes, Preprocessing], NDArray[np.uint8]]] = {
    "pillow": _pillow_crop,
    "pillow-draft": _pillow_crop,
    "opencv": _opencv_crop,
}
_SIZE: Mapping[Library, Callable[[bytes], tuple[int, int]]] = {
    "pillow": read_to_end,
    "pillow-draft": read_to_end,
    "opencv": _opencv_size,
}
_VERSIONS: Mapping[Library, Callable[[], dict[str, str]]] = {
    "pillow": _pillow_versions,
    "pillow-draft": _pillow_versions,
    "opencv": _opencv_versions,
}
