"""Random changes of training pictures, drawn from a seed, the same for every framework.

They are applied to uint8 pixels in NumPy, so that each framework gets the same bytes. The defaults
are shear and zoom as Keras' `ImageDataGenerator` defines them; torchvision's `RandomAffine` differs
in the matrix of the shear, in the meaning of a zoom, and in what fills the border.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.pictures.recipe import Scaling

Geometry = Literal["keras", "torchvision"]
Axes = Literal["both", "each"]
Fill = Literal["edge", "reflect", "black"]
Sampling = Literal["bilinear", "nearest"]
Order = Literal["before-scaling", "after-scaling"]
Pixels = TypeVar("Pixels", bound=np.generic)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of the training pictures' crops.

    Each picture has `draws` versions. Epoch e uses version e modulo `draws`, so that the backbone
    sees each version once. Without draws, pictures are not changed.

    Attributes:
        draws: number of versions of each picture; 0 leaves the pictures as they are.
        seed: seed of the draws; the seed of the training is another one.
        shear: largest shear in degrees, to either side. Keras read it as radians before 2018.
        zoom: largest relative change of the size, so 0.2 is 80 % to 120 %; below 1.
        flip: probability of a horizontal flip, in [0, 1].
        zoom_axes: "both" zooms height and width by the same factor, as torchvision does; "each"
            draws a factor for each, as Keras does, which changes the aspect ratio.
        fill: what is outside of the picture: its nearest "edge" (Keras calls it "nearest"), its
            mirror image ("reflect"), or "black".
        sampling: how pixels between pixels are computed.
        geometry: the library whose shear and zoom are meant. In Keras, a factor above 1 shows more
            of the picture (zooms out), in torchvision less.
        order: whether pixels are changed before they are scaled, and then rounded to whole numbers
            again; or after it, where "black" is 0, which is the mean colour for most scalings.

    Raises:
        BenchmarkError: a value is out of range.
    """

    draws: int = 0
    seed: int = 0
    shear: float = 10.0
    zoom: float = 0.2
    flip: float = 0.5
    zoom_axes: Axes = "both"
    fill: Fill = "edge"
    sampling: Sampling = "bilinear"
    geometry: Geometry = "keras"
    order: Order = "before-scaling"

    def __post_init__(self) -> None:
        for name, is_right, wanted in (
            ("draws", self.draws >= 0, "a number of versions, or 0 for none"),
            ("seed", self.seed >= 0, "0 or more"),
            ("shear", math.isfinite(self.shear) and self.shear >= 0, "degrees, 0 or more"),
            ("zoom", 0 <= self.zoom < 1, "a number from 0 to below 1"),
            ("flip", 0 <= self.flip <= 1, "a probability from 0 to 1"),
            ("zoom_axes", self.zoom_axes in get_args(Axes), "both or each"),
            ("fill", self.fill in get_args(Fill), "edge, reflect or black"),
            ("sampling", self.sampling in get_args(Sampling), "bilinear or nearest"),
            ("geometry", self.geometry in get_args(Geometry), "keras or torchvision"),
            ("order", self.order in get_args(Order), "before-scaling or after-scaling"),
        ):
            if not is_right:
                raise BenchmarkError(f"{name} is {getattr(self, name)!r}; expected {wanted}.")

    @property
    def versions(self) -> int:
        """Number of versions of each picture that exist, at least one."""
        return max(1, self.draws)


@dataclass(frozen=True)
class Change:
    """The change of one version of a picture.

    Attributes:
        shear: in degrees.
        zoom: factors of height and width.
        flipped: whether it is flipped horizontally, after shear and zoom.
    """

    shear: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    flipped: bool = False


def augmented(
    crop: NDArray[np.uint8],
    augmentation: Augmentation,
    row: int,
    draw: int,
    scaling: Scaling | None = None,
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """One version of a training picture; which one depends on the seed, the row and the draw only.

    Args:
        crop: the picture after resize and crop, (height, width, 3) RGB.
        augmentation: what may be changed.
        row: row of the picture in the training part.
        draw: number of the version, below `augmentation.versions`.
        scaling: the scaling that follows; without one, black is black in every order.

    Returns:
        Pixels in [0, 255], not yet scaled: whole numbers, or float32 if the change belongs after
        the scaling, which gives the same values as the change of scaled pixels.
    """
    if augmentation.draws == 0:
        return crop
    change = change_of(augmentation, row, draw)
    if augmentation.order == "before-scaling":
        return changed(crop, change, augmentation)
    return changed(crop.astype(np.float32), change, augmentation, _zero_of(scaling))


def change_of(augmentation: Augmentation, row: int, draw: int) -> Change:
    """The change that is drawn for a version of a picture; for the arguments see `augmented`."""
    random = np.random.default_rng([augmentation.seed, row, draw])
    shear, height, width, flip = random.random(4).tolist()
    low, size = 1 - augmentation.zoom, 2 * augmentation.zoom
    if augmentation.zoom_axes == "both":
        width = height
    return Change(
        augmentation.shear * (2 * shear - 1),
        (low + size * height, low + size * width),
        flip < augmentation.flip,
    )


def changed(
    crop: NDArray[Pixels],
    change: Change,
    augmentation: Augmentation,
    black: Sequence[float] = (0.0, 0.0, 0.0),
) -> NDArray[Pixels]:
    """A picture after a change.

    Args:
        crop: the picture, (height, width, 3), uint8 or float; uint8 pixels are rounded.
        change: the change.
        augmentation: how pixels between and outside of the picture's pixels are computed.
        black: the colour of the fill "black", for each channel.
    """
    found = crop
    if change.shear or change.zoom != (1.0, 1.0):
        found = _sampled(crop, _MATRIX[augmentation.geometry](change), augmentation, black)
    return np.ascontiguousarray(found[:, ::-1]) if change.flipped else found


def _keras_matrix(change: Change) -> NDArray[np.float64]:
    """Source: `apply_affine_transform` of keras.preprocessing.image, for square pictures.

    Keras takes the height for the width when it centres the matrix on other pictures.
    """
    height, width = change.zoom
    angle = math.radians(change.shear)
    return np.array([[math.cos(angle) * height, 0], [-math.sin(angle) * height, width]])


def _torchvision_matrix(change: Change) -> NDArray[np.float64]:
    """Source: `_get_inverse_affine_matrix` of torchvision.transforms.functional."""
    height, width = change.zoom
    tangent = math.tan(math.radians(change.shear))
    return np.array([[1 / height, 0], [tangent / width, 1 / width]])


_MATRIX: Mapping[Geometry, Callable[[Change], NDArray[np.float64]]] = {
    "keras": _keras_matrix,
    "torchvision": _torchvision_matrix,
}
"""Matrices from the place of an output pixel to that in the picture: (row, column) from centre."""


def _sampled(
    crop: NDArray[Pixels],
    matrix: NDArray[np.float64],
    augmentation: Augmentation,
    black: Sequence[float],
) -> NDArray[Pixels]:
    """The picture seen through a matrix around its centre."""
    sides = crop.shape[:2]
    centre = [(side - 1) / 2 for side in sides]
    rows, columns = (np.arange(side) - middle for side, middle in zip(sides, centre, strict=True))
    places = [
        one * rows[:, None] + other * columns + middle
        for (one, other), middle in zip(matrix, centre, strict=True)
    ]
    pixels = crop.reshape(-1, crop.shape[2]).astype(np.float64)
    found = np.zeros((*sides, crop.shape[2]))
    for indices, weight in _neighbours(places, sides, augmentation):
        found += np.take(pixels, indices, axis=0) * weight[..., None]
    if augmentation.fill == "black":
        found[_outside(places, sides)] = black
    return (np.rint(found) if crop.dtype == np.uint8 else found).astype(crop.dtype)


def _neighbours(
    places: Sequence[NDArray[np.float64]], sides: Sequence[int], augmentation: Augmentation
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Indices of the pixels that each output pixel is computed of, with their weights."""
    if augmentation.sampling == "nearest":
        near = [np.floor(place + 0.5).astype(np.int64) for place in places]
        row, column = (_inside(n, side, augmentation) for n, side in zip(near, sides, strict=True))
        yield row * sides[1] + column, np.ones(row.shape)
        return
    below = [np.floor(place) for place in places]
    share = [place - low for place, low in zip(places, below, strict=True)]
    ends = [
        [_inside(low.astype(np.int64) + step, side, augmentation) for step in (0, 1)]
        for low, side in zip(below, sides, strict=True)
    ]
    for step, other in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weights = [s if at else 1 - s for s, at in zip(share, (step, other), strict=True)]
        yield ends[0][step] * sides[1] + ends[1][other], weights[0] * weights[1]


def _inside(index: NDArray[np.int64], side: int, augmentation: Augmentation) -> NDArray[np.int64]:
    """Indices of an axis, those outside replaced by the pixels that fill them."""
    if augmentation.fill == "reflect":
        index = index % (2 * side)
        return np.minimum(index, 2 * side - 1 - index)
    return index.clip(0, side - 1)


def _outside(places: Sequence[NDArray[np.float64]], sides: Sequence[int]) -> NDArray[np.bool_]:
    """Output pixels whose place is outside of the area of all pixels, as in Pillow."""
    rows, columns = (
        (place < -0.5) | (place >= side - 0.5) for place, side in zip(places, sides, strict=True)
    )
    return rows | columns


def _zero_of(scaling: Scaling | None) -> Sequence[float]:
    """The RGB colour in [0, 255] that a scaling turns into zeros."""
    if scaling is None:
        return (0.0, 0.0, 0.0)
    colour = [mean * scaling.divisor for mean in scaling.mean]
    return colour[::-1] if scaling.channels == "bgr" else colour
