"""What a model in a file takes and gives: one input of pictures and one output of class scores.

Formats that hold a whole model, such as ONNX, describe their inputs and outputs but not their
preprocessing. This module decides whether a description is that of a classifier of ImageNet, and
how crops are arranged for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError, WeightsError
from benchmarking.pictures.recipe import Crops, Preprocessing, Scaling

Layout = Literal["NCHW", "NHWC"]

_DTYPES = ("float32", "float16", "uint8")
_OUTPUTS = ("float32", "float16", "float64", "bfloat16")
_CLASSES = 1000
_LARGER_SETS = frozenset({10450, 11221, 11821, 18000, 18010, 19167, 21841, 21842, 21843, 22000})
"""Numbers of outputs of heads that were trained on larger parts of ImageNet, such as 21k."""


@dataclass(frozen=True)
class Tensor:
    """An input or output as a file describes it.

    Attributes:
        name: its name in the file.
        dtype: type of its values, by NumPy's name, or another one's that NumPy does not have.
        shape: its sides; None for each one that is not fixed.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} of {self.sides}"

    @property
    def sides(self) -> str:
        """The shape in words, such as "? x 3 x 224 x 224"."""
        return " x ".join("?" if side is None else str(side) for side in self.shape) or "one number"


@dataclass(frozen=True)
class Signature:
    """The input and output of a classifier.

    Attributes:
        file: name of the file, for messages.
        input: name of the input.
        output: name of the output.
        layout: order of the input's axes: pictures, channels, height and width.
        dtype: type of the input's values: "float32", "float16" or "uint8".
        batch_size: number of pictures that it takes at once; None for any number.
        height: height of the pictures in pixels; None for any height.
        width: width of the pictures in pixels; None for any width.
    """

    file: str
    input: str
    output: str
    layout: Layout
    dtype: str
    batch_size: int | None
    height: int | None
    width: int | None

    def check_crop(self, height: int, width: int) -> None:
        """Check that the model takes pictures of this size.

        Raises:
            BenchmarkError: it takes pictures of another size only.
        """
        fixed = ((self.height, height), (self.width, width))
        if any(own is not None and own != given for own, given in fixed):
            own = " x ".join("any" if side is None else str(side) for side, _ in fixed)
            raise BenchmarkError(
                f"{self.file} takes pictures of {own} pixels, and the recipe makes {height} x "
                f"{width}; give the recipe that the model was trained with."
            )

    def check_scaling(self, scaling: Scaling) -> None:
        """Check that scaled pixels have the type of the input.

        Raises:
            BenchmarkError: the input takes whole numbers, and the scaling makes fractions.
        """
        if self.dtype == "uint8" and scaling != Scaling():
            raise BenchmarkError(
                f"{self.file} takes uint8 pixels and scales them itself, but the recipe has the "
                f'scaling {scaling}; give "scaling": "identity".'
            )

    def check_recipe(self, recipe: Preprocessing) -> None:
        """Check that a recipe makes the input that the model takes.

        Raises:
            BenchmarkError: it makes crops of another size, or pixels of another type.
        """
        self.check_crop(recipe.crop, recipe.crop)
        self.check_scaling(recipe.scaling)


def signature_of(file: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Signature:
    """The signature of a classifier of pictures.

    Args:
        file: name of the file, for messages.
        inputs: all inputs of the model, without its weights.
        outputs: all outputs of the model.

    Raises:
        WeightsError: there are several inputs or outputs, or one has another type or shape than
            pictures and scores of 1,000 classes have.
    """
    pictures = _the_only(file, "input", inputs)
    scores = _the_only(file, "output", outputs)
    if pictures.dtype not in _DTYPES:
        raise WeightsError(
            f"{file} takes {pictures.dtype} ({pictures}); pictures can be {', '.join(_DTYPES)}."
        )
    layout = _layout(file, pictures)
    batch, *sides = pictures.shape
    height, width = sides[1:] if layout == "NCHW" else sides[:2]
    if scores.dtype not in _OUTPUTS:
        raise WeightsError(
            f"{file} gives {scores.dtype} ({scores}), so it seems to give classes instead of "
            "scores; export the model's logits or probabilities."
        )
    _check_scores(file, scores)
    return Signature(file, pictures.name, scores.name, layout, pictures.dtype, batch, height, width)


def check_classes(shape: tuple[int, ...], classes: int, who: str = "the model") -> None:
    """Check the shape of a batch of scores, of which a model has to give one for each class.

    Args:
        shape: (pictures, classes) expected; the number of pictures is not checked.
        classes: expected number of classes.
        who: the model in words.

    Raises:
        BenchmarkError: it has another number of classes, or other axes.
    """
    if len(shape) == 2 and shape[1] == classes:
        return
    if len(shape) == 2 and shape[1] == classes + 1:
        raise BenchmarkError(
            f"{who} has {shape[1]:,} outputs, one more than there are classes: probably a "
            "background class, which models of TensorFlow put first. Cut it off before the "
            "softmax, as logits[:, 1:], so that output 0 is class 0."
        )
    if len(shape) == 2 and shape[1] in _LARGER_SETS:
        raise BenchmarkError(
            f"{who} has {shape[1]:,} outputs, the classes of a larger part of ImageNet such as "
            f"ImageNet-21k; take weights that were fine-tuned on the {classes:,} classes."
        )
    if len(shape) == 2:
        raise BenchmarkError(
            f"{who} has {shape[1]:,} outputs; expected {classes:,}, one for each class of "
            "ImageNet, in the order of their WordNet ids."
        )
    raise BenchmarkError(
        f"{who} gives an output of shape {shape}; expected (pictures, {classes}), one score for "
        "each picture and class."
    )


def arranged(crops: Crops, scaling: Scaling, signature: Signature) -> NDArray[Any]:
    """Scaled crops in the layout and type that a model takes.

    Every pixel has one of 256 values, so each channel is scaled by a look-up.

    Args:
        crops: (n, height, width, 3).
        scaling: the recipe's scaling.
        signature: the model's input.
    """
    order = (2, 1, 0) if scaling.channels == "bgr" else (0, 1, 2)
    n, height, width, _ = crops.shape
    is_first = signature.layout == "NCHW"
    shape = (n, 3, height, width) if is_first else (n, height, width, 3)
    found = np.empty(shape, dtype=signature.dtype)
    for place, channel in enumerate(order):
        target = found[:, place] if is_first else found[..., place]
        target[...] = _scaled_values(scaling, place, signature.dtype)[crops[..., channel]]
    return found


def in_batches(
    run: Callable[[NDArray[Any]], NDArray[Any]], pixels: NDArray[Any], size: int | None
) -> NDArray[Any]:
    """Outputs of a model that takes a fixed number of pictures at once.

    The last batch is filled up with copies of its last picture, whose outputs are dropped.

    Args:
        run: the model, from (size, ...) to (size, classes).
        pixels: (n, ...) arranged crops.
        size: the fixed number of pictures; None for any number.
    """
    if size is None or len(pixels) == size:
        return run(pixels)
    outputs = []
    for start in range(0, len(pixels), size):
        part = pixels[start : start + size]
        filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
        outputs.append(run(filled)[: len(part)])
    return np.concatenate(outputs)


def _scaled_values(scaling: Scaling, channel: int, dtype: str) -> NDArray[Any]:
    """The scaled value of each of the 256 values of a channel, computed in float32."""
    values = np.arange(256, dtype=np.float32) / np.float32(scaling.divisor)
    values = (values - np.float32(scaling.mean[channel])) / np.float32(scaling.std[channel])
    return values.astype(dtype)


def _the_only(file: str, what: str, tensors: Sequence[Tensor]) -> Tensor:
    if len(tensors) != 1:
        names = ", ".join(one.name for one in tensors) or "none"
        wanted = "pictures" if what == "input" else "one score for each class"
        raise WeightsError(
            f"{file} has {len(tensors)} {what}s ({names}); expected only one, {wanted}. Export the "
            f"model with this {what} alone."
        )
    return tensors[0]


def _layout(file: str, pictures: Tensor) -> Layout:
    """Where the three channels are."""
    shape = pictures.shape
    found: list[Layout] = []
    if len(shape) == 4:
        found += ["NCHW"] if shape[1] == 3 else []
        found += ["NHWC"] if shape[3] == 3 else []
    if len(found) != 1:
        raise WeightsError(
            f"{file} takes {pictures}; expected four axes, of which either the second or the last "
            "has the 3 channels. Export the model with a fixed number of channels."
        )
    return found[0]


def _check_scores(file: str, scores: Tensor) -> None:
    """Refuse another number of classes before anything is computed, if the file gives it."""
    if len(scores.shape) == 2 and scores.shape[1] is None:
        return
    try:
        check_classes(tuple(side or 0 for side in scores.shape), _CLASSES, file)
    except BenchmarkError as error:
        if not scores.shape:  # the file does not give it
            return
        raise WeightsError(str(error)) from error
