"""Recipes: the preprocessing from a picture to model input, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError

Crops = NDArray[np.uint8]
"""Model input before scaling: (n, height, width, 3), RGB."""

Library = Literal["pillow", "pillow-draft", "opencv"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "area"]
Rounding = Literal["floor", "half-even", "ceil"]
ChannelOrder = Literal["rgb", "bgr"]
Step = Literal["resize", "crop"]

Triple = tuple[float, float, float]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


@dataclass(frozen=True)
class Scaling:
    """Scaling of uint8 pixels to model input: (x / divisor - mean) / std, per channel.

    Without arguments it is the identity: the model gets pixels in [0, 255].

    Attributes:
        divisor: divides the pixels in [0, 255] first.
        mean: subtracted next, in the order of `channels`.
        std: divided by last, in the order of `channels`.
        channels: the order in which the model expects its channels.

    Raises:
        BenchmarkError: a divisor is not above 0, there are not three channels, or their order is
            unknown.
    """

    divisor: float = 1.0
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    channels: ChannelOrder = "rgb"

    def __post_init__(self) -> None:
        for values in (self.mean, self.std):
            if not (
                isinstance(values, tuple) and len(values) == 3 and all(map(_is_number, values))
            ):
                raise BenchmarkError(
                    f"mean {self.mean!r} and std {self.std!r} must be tuples of three numbers, one "
                    "per channel."
                )
        if not _is_number(self.divisor):
            raise BenchmarkError(f"divisor {self.divisor!r} must be a number, such as 255.")
        if not min(self.divisor, *self.std) > 0:
            raise BenchmarkError(
                f"divisor {self.divisor} and std {self.std} must be above 0: pixels are divided by "
                "them."
            )
        if self.channels not in get_args(ChannelOrder):
            raise BenchmarkError(f"channels {self.channels!r} are none of rgb, bgr.")

    @property
    def name(self) -> str:
        """Its name in `SCALINGS`; empty if it has none."""
        return next((name for name, known in SCALINGS.items() if known == self), "")

    def __str__(self) -> str:
        if self.name:
            return self.name
        return f"x / {self.divisor:g}, mean {self.mean}, std {self.std}, {self.channels}"


# The three modes of keras.applications.imagenet_utils.preprocess_input, operation by operation.
_PUBLISHED_SCALINGS: Mapping[str, Scaling] = {
    "tf": Scaling(127.5, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), "rgb"),
    "torch": Scaling(255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "rgb"),
    "caffe": Scaling(1.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0), "bgr"),
}
SCALINGS: Mapping[str, Scaling] = {
    **_PUBLISHED_SCALINGS,
    **{  # with reversed channels, to measure the effect of that mistake
        f"{name}-swapped": replace(scaling, channels="bgr" if scaling.channels == "rgb" else "rgb")
        for name, scaling in _PUBLISHED_SCALINGS.items()
    },
    "identity": Scaling(),
}
"""Scalings by Keras's names, and a few more; stored runs use these names where one fits."""


@dataclass(frozen=True)
class Preprocessing:
    """A recipe: the preprocessing from a picture to model input.

    Attributes:
        library: the library that decodes and resizes, and defines the filter. "pillow-draft" lets
            the JPEG decoder shrink pictures first, which is faster and gives different pixels.
        interpolation: the resampling filter.
        resize: shorter side in pixels, or (height, width) to ignore the aspect ratio.
        crop: side of the central square in pixels; a smaller picture is padded with black.
        scaling: the scaling of pixels in [0, 255] to model input.
        resize_rounding: rounding of the longer side to whole pixels; if the crop is first,
            rounding of the side of its square.
        crop_rounding: rounding of half the margin to whole pixels.
        first: "resize" or "crop". With "crop", a central square whose side is crop / resize of the
            shorter side is cropped first, then resized to `crop`, as TensorFlow's EfficientNet
            does.

    Raises:
        BenchmarkError: a value is unknown, or the sizes do not fit together.
    """

    library: Library
    interpolation: Interpolation
    resize: int | tuple[int, int]
    crop: int
    scaling: Scaling
    resize_rounding: Rounding = "floor"
    crop_rounding: Rounding = "half-even"
    first: Step = "resize"

    def __post_init__(self) -> None:
        for name, kind in (
            ("library", Library),
            ("interpolation", Interpolation),
            ("resize_rounding", Rounding),
            ("crop_rounding", Rounding),
            ("first", Step),
        ):
            value, allowed = getattr(self, name), get_args(kind)
            if value not in allowed:
                raise BenchmarkError(f"{name} {value!r} is none of {', '.join(allowed)}.")
        if not isinstance(self.scaling, Scaling):
            raise BenchmarkError(
                f"scaling {self.scaling!r} is no Scaling; take one of SCALINGS, or make one."
            )
        sides = (self.resize,) if isinstance(self.resize, int) else self.resize
        is_one_or_two = isinstance(self.resize, int) or (
            isinstance(sides, tuple) and len(sides) == 2
        )
        if not (is_one_or_two and all(type(side) is int for side in (self.crop, *sides))):
            raise BenchmarkError(
                f"resize {self.resize!r} must be a whole number or a pair of them, and crop "
                f"{self.crop!r} a whole number, in pixels."
            )
        if min(self.crop, *sides) < 1:
            raise BenchmarkError(f"sizes {self.resize} and {self.crop} must be 1 pixel or more.")
        if self.first == "crop" and (len(sides) == 2 or self.crop > sides[0]):
            raise BenchmarkError(
                f"crop {self.crop} before resize {self.resize}: the resize must be one number, the "
                "crop's size or more."
            )

    @property
    def pads(self) -> bool:
        """Whether the crop is larger than the resized picture."""
        sides = (self.resize,) if isinstance(self.resize, int) else self.resize
        return self.crop > min(sides)

    def __str__(self) -> str:
        how = f"{self.library} {self.interpolation}"
        if self.first == "crop":
            size = f"centre crop of {self.crop}/{self.resize} of the shorter side, then resized to "
            size += f"{self.crop}, {how}"
        elif isinstance(self.resize, int):
            size = f"shorter side {self.resize}, {how}, centre crop {self.crop}"
        else:
            height, width = self.resize
            size = f"resized to {height} x {width} without keeping the aspect ratio, {how}"
            size += f", centre crop {self.crop}" if self.resize != (self.crop, self.crop) else ""
        padding = " padded with a black border" if self.pads else ""
        return f"{size}{padding}, scaling {self.scaling}"

    @property
    def short(self) -> str:
        """The recipe in a few words: sizes, filter and scaling, as in "256 bilinear, crop 224"."""
        how = (
            self.interpolation
            if self.library == "pillow"
            else f"{self.library} {self.interpolation}"
        )
        if self.first == "crop":
            size = f"crop {self.crop}/{self.resize}, {self.crop} {how}"
        elif isinstance(self.resize, int):
            size = f"{self.resize} {how}, crop {self.crop}"
        else:
            height, width = self.resize
            size = f"{height} x {width} {how}, crop {self.crop}"
        return f"{size}, {self.scaling.name or 'own'} scaling"

    def as_document(self) -> dict[str, Any]:
        """The recipe as it is stored: names, numbers and lists.

        A scaling with a name is stored by its name, and `first` only if it is not "resize". So
        recipes of runs that were stored before these options existed are unchanged.
        """
        document = asdict(self)
        if self.scaling.name:
            document["scaling"] = self.scaling.name
        if self.first == "resize":
            del document["first"]
        return document


def recipe_from(document: Mapping[str, Any]) -> Preprocessing:
    """The recipe that a document describes; the inverse of `as_document`.

    Args:
        document: the recipe; its `scaling` is a name from `SCALINGS` or an object with some of the
            fields of `Scaling`. Missing fields have the values of the identity.

    Raises:
        BenchmarkError: a field is missing, unknown or has an invalid value.
    """
    import msgspec

    known = {field.name for field in fields(Preprocessing)}
    unknown = sorted(document.keys() - known)
    if unknown:
        raise BenchmarkError(f"a recipe has no {unknown[0]!r}; it has {', '.join(sorted(known))}.")
    scaling = document.get("scaling")
    if isinstance(scaling, str):
        if scaling not in SCALINGS:
            raise BenchmarkError(f"scaling {scaling!r} is none of {', '.join(SCALINGS)}.")
        scaling = SCALINGS[scaling]
    try:
        if isinstance(scaling, Mapping):
            parts = {field.name for field in fields(Scaling)}
            if not scaling or scaling.keys() - parts:
                raise BenchmarkError(
                    f"scaling {dict(scaling)} must have some of {', '.join(sorted(parts))}, and "
                    "nothing else."
                )
            scaling = msgspec.convert(dict(scaling), Scaling)
        plain = {**document, "scaling": asdict(scaling)} if scaling else dict(document)
        return msgspec.convert(plain, Preprocessing)
    except (msgspec.ValidationError, TypeError, UnicodeEncodeError) as error:
        raise BenchmarkError(f"a part of the recipe has no such value: {error}.") from error
