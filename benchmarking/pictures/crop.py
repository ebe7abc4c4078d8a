"""Recipes applied to pictures, step by step, exactly as each recipe's library does it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import PictureError, requires
from benchmarking.pictures.decode import refuse_too_many_pixels
from benchmarking.pictures.decoded import Decoded, opencv, opencv_refusal
from benchmarking.pictures.recipe import Interpolation, Library, Preprocessing, Rounding

_ROUND: Mapping[Rounding, Callable[[float], int]] = {
    "floor": math.floor,
    "half-even": round,
    "ceil": math.ceil,
}


def crop(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Decode, resize and crop one picture; for several recipes see `cropped`.

    Args:
        data: the bytes of the picture's file, in any format that the recipe's library reads.
        preprocessing: the recipe; the framework applies its scaling later.

    Returns:
        (crop, crop, 3) RGB.

    Raises:
        PictureError: the library cannot decode the picture.
        MissingDependency: the library is not installed.
    """
    return cropped(Decoded(data), preprocessing)


def cropped(picture: Decoded, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Resize and crop a picture, which is decoded only if no other recipe has done it.

    Args:
        picture: the picture; give the same object with every recipe.
        preprocessing: the recipe; the framework applies its scaling later.

    Returns:
        (crop, crop, 3) RGB.

    Raises:
        PictureError: the library cannot decode the picture.
        MissingDependency: the library is not installed.
    """
    return _CROP[preprocessing.library](picture, preprocessing)


def refusals(
    picture: Decoded, recipes: Collection[Preprocessing]
) -> dict[Preprocessing, PictureError]:
    """The errors that `cropped` raises for a picture, by recipe, found faster than by cropping.

    Every library decodes the picture, unless it has, and the size after every resize is computed.
    There is one exception: if Pillow has read a Huffman-coded JPEG, OpenCV does not decode it
    again, because it has the same decoder.

    Returns:
        Only the recipes that cannot crop the picture.

    Raises:
        MissingDependency: a library is not installed.
    """
    refused: dict[Preprocessing, PictureError] = {}
    for library in get_args(Library):
        of_library = [recipe for recipe in recipes if recipe.library == library]
        if not of_library:
            continue
        try:
            size = _SIZE[library](picture)
        except PictureError as error:
            refused |= dict.fromkeys(of_library, error)
            continue
        for recipe in of_library:
            try:
                _refuse_resize(picture, size, recipe)
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


def _pillow_crop(picture: Decoded, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Crop as torchvision, timm and Keras do: convert to RGB and ignore EXIF rotation."""
    with requires("pytorch"):
        from PIL import Image

    filter_ = Image.Resampling[_PILLOW_FILTERS[preprocessing.interpolation]]
    with picture.opened() as file:
        if preprocessing.library == "pillow-draft":
            _draft(file, preprocessing)
        if preprocessing.first == "crop":
            side = preprocessing.crop
            top, left, source = square_before_resize(file.height, file.width, preprocessing)
            square = picture.by_pillow(file).crop((left, top, left + source, top + source))
            return np.array(square if source == side else square.resize((side, side), filter_))
        resized(file.height, file.width, preprocessing)  # raises before decoding
        whole = picture.by_pillow(file)
        height, width = resized(whole.height, whole.width, preprocessing)
        if whole.size != (width, height):
            whole = whole.resize((width, height), filter_)
        top, left = crop_corner(height, width, preprocessing)
        bottom, right = top + preprocessing.crop, left + preprocessing.crop
        return np.array(whole.crop((left, top, right, bottom)))  # black beyond the border


def _draft(file: Any, preprocessing: Preprocessing) -> None:
    """Let a JPEG be decoded at a smaller size, but not below the recipe's size after resize."""
    file.draft("RGB", resized(file.height, file.width, preprocessing)[::-1])


def _refuse_resize(picture: Decoded, size: tuple[int, int], preprocessing: Preprocessing) -> None:
    """Raise the error that `cropped` raises after decoding a picture of this height and width."""
    if preprocessing.library == "pillow-draft":
        with picture.opened() as file:
            _draft(file, preprocessing)
            size = file.height, file.width
    if preprocessing.first == "resize":
        resized(*size, preprocessing)


def _pillow_versions() -> dict[str, str]:
    from PIL import __version__, features

    turbo = features.version_feature("libjpeg_turbo")
    jpeg = {"libjpeg-turbo": turbo} if turbo else {"libjpeg": str(features.version_codec("jpg"))}
    return {"Pillow": __version__, **jpeg}


def _opencv_crop(picture: Decoded, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Crop with OpenCV: decode like cv2.imread, rotate by EXIF, resize without antialiasing."""
    cv2 = opencv()
    whole = picture.by_opencv()
    filter_ = getattr(cv2, _OPENCV_FILTERS[preprocessing.interpolation])
    height, width, _ = whole.shape
    if preprocessing.first == "crop":
        top, left, side = square_before_resize(height, width, preprocessing)
        whole = whole[top : top + side, left : left + side]
        height, width = preprocessing.crop, preprocessing.crop
    else:
        height, width = resized(height, width, preprocessing)
    if whole.shape[:2] != (height, width):
        try:
            whole = cv2.resize(whole, (width, height), interpolation=filter_)
        except (cv2.error, MemoryError) as error:
            raise opencv_refusal(error) from error
    return _centre(whole[:, :, ::-1], preprocessing)


def _opencv_versions() -> dict[str, str]:
    cv2 = opencv()
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
_CROP: Mapping[Library, Callable[[Decoded, Preprocessing], NDArray[np.uint8]]] = {
    "pillow": _pillow_crop,
    "pillow-draft": _pillow_crop,
    "opencv": _opencv_crop,
}
_SIZE: Mapping[Library, Callable[[Decoded], tuple[int, int]]] = {
    "pillow": Decoded.size_by_pillow,
    "pillow-draft": Decoded.size_by_pillow,
    "opencv": Decoded.size_by_opencv,
}
_VERSIONS: Mapping[Library, Callable[[], dict[str, str]]] = {
    "pillow": _pillow_versions,
    "pillow-draft": _pillow_versions,
    "opencv": _opencv_versions,
}
