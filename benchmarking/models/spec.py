"""What to run, without running it: runs, models, recipes, weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError

Crops = NDArray[np.uint8]
"""Model input before scaling: (n, height, width, 3), RGB."""

Probabilities = NDArray[np.float32]
"""Softmax output: (n, classes), each row summing to one."""

Predictor = Callable[[Crops], Probabilities]
"""A loaded model as the harness sees it."""

Library = Literal["pillow", "pillow-draft", "opencv"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "area"]
Rounding = Literal["floor", "half-even"]
ChannelOrder = Literal["rgb", "bgr"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, order=True)
class Run:
    """The identity of one set of predictions; it names the file they are stored in.

    Attributes:
        images: name of the image set.
        source: where the model comes from, such as "efficientnet-lite-keras".
        model: name of the model within its source.
        recipe: name of the protocol that turned pictures into model input.

    Raises:
        BenchmarkError: a part is not a plain file name, or the recipe contains a dot.
    """

    images: str
    source: str
    model: str
    recipe: str

    def __post_init__(self) -> None:
        for part in (self.images, self.source, self.model, self.recipe):
            check_name(part)
        if "." in self.recipe:
            raise BenchmarkError(f"recipe name {self.recipe!r} contains a dot; use '-' instead.")

    def __str__(self) -> str:
        return f"{self.source}/{self.model} ({self.recipe}) on {self.images}"


def check_name(name: str) -> str:
    """Return the name if it is safe as a file name everywhere.

    Raises:
        BenchmarkError: it is empty, starts oddly or holds anything but letters, digits, -, _ or
            single dots.
    """
    if not _NAME.fullmatch(name):
        raise BenchmarkError(
            f"{name!r} cannot name anything here; use letters, digits, '-', '_' and single dots, "
            "such as 'my-pictures'."
        )
    return name


@dataclass(frozen=True)
class Scaling:
    """How uint8 pixels become model input: x / divisor - mean, then / std, per channel.

    Attributes:
        divisor: what pixels in [0, 255] are divided by first.
        mean: subtracted next, in the order of `channels`.
        std: divided by last, in the order of `channels`.
        channels: the order in which the model expects its channels.
    """

    divisor: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: ChannelOrder


# The three modes of keras.applications.imagenet_utils.preprocess_input, operation by operation.
_PUBLISHED_SCALINGS: Mapping[str, Scaling] = {
    "tf": Scaling(127.5, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), "rgb"),
    "torch": Scaling(255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "rgb"),
    "caffe": Scaling(1.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0), "bgr"),
}
# And each with the channels the wrong way round, to tell what that mistake costs.
SCALINGS: Mapping[str, Scaling] = {
    **_PUBLISHED_SCALINGS,
    **{
        f"{name}-swapped": replace(scaling, channels="bgr" if scaling.channels == "rgb" else "rgb")
        for name, scaling in _PUBLISHED_SCALINGS.items()
    },
}


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes model input.

    Attributes:
        library: decodes and resizes; it defines what the filter's name means. "pillow-draft" lets
            the JPEG decoder shrink pictures first, which is faster and not the same.
        interpolation: the resampling filter.
        resize: shorter side in pixels, or (height, width) to ignore the aspect ratio.
        crop: side of the central square in pixels; where the picture is smaller, it is padded
            with black.
        scaling: value range, by the names Keras uses; see `SCALINGS`.
        resize_rounding: how the longer side becomes whole pixels.
        crop_rounding: how half the margin becomes whole pixels.

    Raises:
        BenchmarkError: a value is unknown.
    """

    library: Library
    interpolation: Interpolation
    resize: int | tuple[int, int]
    crop: int
    scaling: str
    resize_rounding: Rounding = "floor"
    crop_rounding: Rounding = "half-even"

    def __post_init__(self) -> None:
        for value, allowed in (
            (self.library, get_args(Library)),
            (self.interpolation, get_args(Interpolation)),
            (self.resize_rounding, get_args(Rounding)),
            (self.crop_rounding, get_args(Rounding)),
            (self.scaling, tuple(SCALINGS)),
        ):
            if value not in allowed:
                raise BenchmarkError(f"preprocessing {value!r} is none of {', '.join(allowed)}.")
        sides = (self.resize,) if isinstance(self.resize, int) else self.resize
        if min(self.crop, *sides) < 1:
            raise BenchmarkError(f"sizes {self.resize} and {self.crop} must be 1 pixel or more.")

    @property
    def pads(self) -> bool:
        """Whether the crop reaches over the resized picture's border."""
        sides = (self.resize,) if isinstance(self.resize, int) else self.resize
        return self.crop > min(sides)

    def __str__(self) -> str:
        how = f"{self.library} {self.interpolation}"
        if isinstance(self.resize, int):
            size = f"shorter side {self.resize}, {how}, centre crop {self.crop}"
        else:
            size = f"squashed to {self.resize[0]} x {self.resize[1]}, {how}"
        padding = " padded with a black border" if self.pads else ""
        return f"{size}{padding}, scaling {self.scaling}"


@dataclass(frozen=True)
class Weights:
    """One exact file of weights, and what its publisher says of it.

    Attributes:
        name: what its publisher calls it, such as "IMAGENET1K_V1".
        file: file name.
        sha256: digest of its bytes in hex, or the first digits where only they are published.
        md5: digest in hex, where that is what is published.
        url: where it can be downloaded; empty where a package ships it.
        megabytes: its size in MiB, as frameworks give it; None if unknown.

    Raises:
        BenchmarkError: a digest is not one.
    """

    name: str
    file: str
    sha256: str = ""
    md5: str = ""
    url: str = ""
    megabytes: float | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch("([0-9a-f]{8,64})?", self.sha256):
            raise BenchmarkError(f"{self.file}: sha256 {self.sha256!r} is not 8 to 64 hex digits.")
        if not re.fullmatch("([0-9a-f]{32})?", self.md5):
            raise BenchmarkError(f"{self.file}: md5 {self.md5!r} is not 32 hex digits.")

    @property
    def published_digest(self) -> str:
        """Kind and digits of the published digest, or "none"."""
        if self.sha256:
            return f"sha256 {self.sha256}"
        return f"md5 {self.md5}" if self.md5 else "none"


@dataclass(frozen=True)
class Published:
    """What a model's publishers say of it, on the ImageNet 2012 validation set.

    Attributes:
        acc1: acc@1 in percent.
        source: where that is written.
        acc5: acc@5 in percent; None if it is not said.
    """

    acc1: float
    source: str
    acc5: float | None = None


@dataclass(frozen=True)
class ModelSpec:
    """One pretrained model: exact weights and one preprocessing per recipe.

    Attributes:
        source: name of the source that loads it.
        name: its name there; unique within the source.
        framework: name of the framework that runs it, "pytorch" or "keras".
        weights: the file its parameters come from.
        recipes: preprocessing by recipe name.
        parameters: how many, as its framework counts: Keras with, PyTorch without the moving
            statistics of batch normalisation.
        published: the accuracy to reproduce; None if nobody published one.
        classes: length of its output.
        arguments: of the builder, beyond its defaults.
        renamed: regular expression and replacement for parameter names in the file of weights.
    """

    source: str
    name: str
    framework: str
    weights: Weights
    recipes: Mapping[str, Preprocessing]
    parameters: int
    published: Published | None = None
    classes: int = 1000
    arguments: Mapping[str, bool] = field(default_factory=dict)
    renamed: tuple[str, str] | None = None
