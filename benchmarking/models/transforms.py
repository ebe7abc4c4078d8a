"""Translate transforms of torchvision and timm into recipes.

A transform is a program, and a recipe is data. Here each step of a transform is looked up by its
exact class, so that a subclass or a function, whose code could do anything, is never mistaken for a
step that a recipe can express. Neither library is imported.

The steps must be in the usual order: colours, resize, centre crop, tensor, normalise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarking.errors import BenchmarkError
from benchmarking.pictures.recipe import Interpolation, Preprocessing, Scaling, Triple

_FILTERS: Mapping[str, Interpolation] = {
    "nearest": "nearest",
    "nearest-exact": "nearest",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
    "lanczos": "lanczos",
    "box": "area",
}
"""Filters of a recipe by torchvision's values of InterpolationMode, for pictures of Pillow."""

_OF_PILLOW = {"0": "nearest", "1": "lanczos", "2": "bilinear", "3": "bicubic", "4": "box"}
"""The same filters by Pillow's numbers, which torchvision accepts as well."""

_LIBRARIES = ("torchvision", "timm", "torch.nn")

_ADVICE = "Describe the preprocessing of evaluation with Recipe(...) instead."


def recipe_of(transform: object) -> Preprocessing:
    """The recipe that does what a transform does to pictures of Pillow.

    Args:
        transform: a recipe, which is returned; or a transform of torchvision (`Compose`, of v2 too,
            or the transforms of its pretrained weights) or of timm (`create_transform`).

    Raises:
        BenchmarkError: a step cannot be translated; the message names it.

    >>> from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor
    >>> normalize = Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    >>> print(recipe_of(Compose([Resize(256), CenterCrop(224), ToTensor(), normalize])).resize)
    256
    """
    if isinstance(transform, Preprocessing):
        return transform
    if _kind(transform) == "ImageClassification":
        return _of_preset(transform)
    found = _Found()
    for step in _steps(transform):
        kind = _kind(step)
        translate = _TRANSLATED.get(kind)
        if translate is None:
            raise _untranslatable(step, _reason(step))
        translate(step, found)
    return found.recipe()


@dataclass
class _Found:
    """What the steps so far say."""

    resize: int | tuple[int, int] | None = None
    interpolation: Interpolation = "bilinear"
    crop: int | None = None
    divisor: float | None = None
    is_float: bool = False
    mean: Triple | None = None
    std: Triple = (1.0, 1.0, 1.0)

    @property
    def is_tensor(self) -> bool:
        return self.divisor is not None

    def recipe(self) -> Preprocessing:
        """The recipe of all steps.

        Raises:
            BenchmarkError: a step that a recipe needs is missing.
        """
        resize, crop = self.resize, self.crop
        if resize is None:
            raise _incomplete("it has no Resize, so the crops of large pictures would be details")
        if crop is None and isinstance(resize, tuple) and resize[0] == resize[1]:
            crop = resize[0]
        if crop is None:
            raise _incomplete("it has no CenterCrop, so the pictures have different shapes")
        if self.divisor is None or not self.is_float:
            raise _incomplete(
                "its output is no tensor of floats; end it with ToTensor() and Normalize(...), or "
                "ToImage() and ToDtype(torch.float32, scale=True)"
            )
        scaling = Scaling(self.divisor, self.mean or (0.0, 0.0, 0.0), self.std)
        return Preprocessing("pillow", self.interpolation, resize, crop, scaling)


def _steps(transform: object) -> Iterator[object]:
    """The steps of a transform, with those of nested sequences in their places."""
    kind = _kind(transform)
    if kind == "Compose":
        for step in transform.transforms:  # type: ignore[attr-defined]
            yield from _steps(step)
    elif kind == "Sequential":
        for step in transform:  # type: ignore[attr-defined]
            yield from _steps(step)
    elif isinstance(transform, list | tuple):
        for step in transform:
            yield from _steps(step)
    else:
        yield transform


def _kind(step: object) -> str:
    """Name of a step's class, if it is one of torchvision, timm or PyTorch itself; else ""."""
    kind = type(step)
    is_known = any(f"{kind.__module__}.".startswith(f"{name}.") for name in _LIBRARIES)
    return kind.__name__ if is_known else ""


def _of_preset(preset: Any) -> Preprocessing:
    """The transforms of pretrained weights of torchvision."""
    found = _Found(divisor=255.0, is_float=True)
    found.resize = _sides(preset.resize_size, preset)
    found.interpolation = _filter(preset)
    found.crop = _square(preset.crop_size, preset)
    found.mean, found.std = _triple(preset.mean, preset), _triple(preset.std, preset)
    return found.recipe()


def _resize(step: Any, found: _Found) -> None:
    if found.is_tensor:
        raise _untranslatable(
            step, "it resizes tensors, whose pixels differ from those of a resized picture"
        )
    if found.resize is not None or found.crop is not None:
        raise _untranslatable(step, "a recipe has one resize, before the crop")
    if getattr(step, "max_size", None) is not None:
        raise _untranslatable(step, "a recipe has no max_size")
    found.resize, found.interpolation = _sides(step.size, step), _filter(step)


def _center_crop(step: Any, found: _Found) -> None:
    if found.crop is not None:
        raise _untranslatable(step, "a recipe has one crop")
    if found.resize is None:
        raise _untranslatable(step, "a recipe crops after a resize")
    if found.is_float:
        raise _untranslatable(step, "it must come before the pixels become floats")
    found.crop = _square(step.size, step)


def _to_float_tensor(step: Any, found: _Found) -> None:
    """ToTensor: pixels in [0, 1]."""
    if found.is_tensor:
        raise _untranslatable(step, "the picture is a tensor already")
    found.divisor, found.is_float = 255.0, True


def _to_uint8_tensor(step: Any, found: _Found) -> None:
    """PILToTensor and ToImage: pixels in [0, 255], of type uint8."""
    if found.is_tensor:
        raise _untranslatable(step, "the picture is a tensor already")
    found.divisor = 1.0


def _to_dtype(step: Any, found: _Found) -> None:
    """ConvertImageDtype, which scales, and ToDtype, which scales if scale is true."""
    if str(step.dtype) != "torch.float32":
        raise _untranslatable(step, f"pixels become torch.float32, and not {step.dtype}")
    if not found.is_tensor or found.is_float:
        raise _untranslatable(step, "it must come once, after the step that makes a tensor")
    found.is_float = True
    if getattr(step, "scale", True):
        found.divisor = 255.0


def _normalize(step: Any, found: _Found) -> None:
    if not found.is_float:
        raise _untranslatable(step, "it must come after the pixels have become floats")
    if found.mean is not None:
        raise _untranslatable(step, "a recipe normalises once")
    found.mean, found.std = _triple(step.mean, step), _triple(step.std, step)


def _nothing(step: Any, found: _Found) -> None:
    """A step that changes no pixel of an RGB picture; a recipe converts every picture to RGB."""


_TRANSLATED: Mapping[str, Callable[[Any, _Found], None]] = {
    "Resize": _resize,
    "CenterCrop": _center_crop,
    "ToTensor": _to_float_tensor,
    "MaybeToTensor": _to_float_tensor,
    "PILToTensor": _to_uint8_tensor,
    "MaybePILToTensor": _to_uint8_tensor,
    "ToImage": _to_uint8_tensor,
    "ConvertImageDtype": _to_dtype,
    "ToDtype": _to_dtype,
    "Normalize": _normalize,
    "ToPureTensor": _nothing,
    "RGB": _nothing,
    "Identity": _nothing,
}


def _sides(size: Any, step: object) -> int | tuple[int, int]:
    """Shorter side, or (height, width)."""
    sides = (size,) if isinstance(size, int) else tuple(size or ())
    if len(sides) == 1:
        return int(sides[0])
    if len(sides) == 2:
        return int(sides[0]), int(sides[1])
    raise _untranslatable(step, f"its size {size!r} is neither one number nor two")


def _square(size: Any, step: object) -> int:
    sides = _sides(size, step)
    if isinstance(sides, int):
        return sides
    if sides[0] != sides[1]:
        raise _untranslatable(step, "a recipe crops squares")
    return sides[0]


def _filter(step: Any) -> Interpolation:
    name = str(getattr(step.interpolation, "value", step.interpolation))
    name = _OF_PILLOW.get(name, name)
    if name not in _FILTERS:
        raise _untranslatable(step, f"a recipe has no filter {name!r}")
    return _FILTERS[name]


def _triple(values: Any, step: object) -> Triple:
    """One number for each channel; those of a tensor with the fewest digits that float32 needs."""
    if hasattr(values, "tolist"):
        numbers = [float(str(np.float32(value))) for value in np.ravel(values.tolist())]
    else:
        numbers = [float(value) for value in values]
    numbers = numbers * 3 if len(numbers) == 1 else numbers
    if len(numbers) != 3:
        raise _untranslatable(step, "a picture has three channels")
    return numbers[0], numbers[1], numbers[2]


def _reason(step: object) -> str:
    kind = _kind(step)
    if kind.startswith(("Random", "ColorJitter", "AutoAugment", "TrivialAugment", "AugMix")):
        return "it is random, so it belongs to training"
    if not callable(step):
        return "it is no transform"
    if kind in ("Lambda", ""):
        return "its code could do anything"
    return "a recipe has no such step"


def _untranslatable(step: object, why: str) -> BenchmarkError:
    shown = " ".join(repr(step).split()) if _kind(step) else type(step).__name__
    shown = f"{shown[:100]}..." if len(shown) > 100 else shown
    return BenchmarkError(f"the step {shown} cannot be translated into a recipe: {why}. {_ADVICE}")


def _incomplete(why: str) -> BenchmarkError:
    return BenchmarkError(f"the transform cannot be translated into a recipe: {why}. {_ADVICE}")
