"""Load the weights of a Keras checkpoint, after comparing its layers with those of the model.

Keras ignores additional layers in a file, so it could load a part of another architecture's file
without an error. It also ignores layers without arrays, such as those that scale pixels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import WeightsError
from benchmarking.io import temporary
from benchmarking.models.spec import ModelSpec
from benchmarking.models.weights import verified_sha256

if TYPE_CHECKING:
    import keras

_LISTED = 10
"""Number of arrays that an error names."""
_SCALES_PIXELS = re.compile(
    r"(rescaling|normalization|tf\.math\.truediv)(_\d+)?|.+_prestem_normalization"
)
"""Names of layers that scale pixels; in Keras 2, one of them was an operation of TensorFlow."""


def fill(model: keras.Model, path: Path, spec: ModelSpec) -> None:
    """Load the weights of a file into a model.

    Args:
        model: the architecture.
        path: a file that `model.save_weights` has written, .weights.h5 or the older .h5.
        spec: the model's spec.

    Raises:
        WeightsError: the file is not HDF5, its arrays do not fit the architecture, or its model
            scaled pixels otherwise.
    """
    try:
        if path.name.endswith(".weights.h5"):
            _check_arrays(model, path, spec)
        _fit_scaling(model, path, spec)
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        text = "\n".join(str(error).splitlines()[:_LISTED])[:1000]
        raise WeightsError(f"{path.name} does not fit {spec.built_as.full_name}: {text}") from error


def _check_arrays(model: keras.Model, path: Path, spec: ModelSpec) -> None:
    """Compare names and shapes of the arrays in a file with those that the model would save."""
    with temporary.folder() as folder:
        model.save_weights(own := folder / "own.weights.h5")
        wanted, found = _shapes(own), _shapes(path)
    differ = sorted(wanted.items() ^ found.items())
    if differ:
        names = list(dict.fromkeys(name for name, _ in differ))
        more = [f"and {len(names) - _LISTED} more"] if len(names) > _LISTED else []
        lines = [
            f"{name}: the file has {_text(found, name)}, the model has {_text(wanted, name)}"
            for name in names[:_LISTED]
        ]
        raise WeightsError(
            f"{path.name} does not fit {spec.built_as.full_name}: {len(names)} of {len(wanted)} "
            "arrays differ.\n  " + "\n  ".join([*lines, *more])
        )


def _fit_scaling(model: keras.Model, path: Path, spec: ModelSpec) -> None:
    """Compare the layers that scale pixels, which change predictions but may have no arrays.

    Keras adds such a layer to EfficientNet, after the Normalization, for its own weights alone. If
    the file's model lacks it, the layer multiplies by one.
    """
    from keras.layers import Normalization, Rescaling

    scaling = [one for one in model.layers if isinstance(one, Rescaling | Normalization)]
    found = sum(bool(_SCALES_PIXELS.fullmatch(name)) for name in _layer_names(path))
    if found == len(scaling):
        return
    kinds = [type(one) for one in scaling]
    if found == 2 and kinds == [Rescaling, Normalization, Rescaling]:
        # The first files that Keras published were saved without it.
        if not _is_published(path, spec.built_as):
            scaling[-1].scale = 1.0
        return
    raise WeightsError(
        f"{path.name} does not fit {spec.built_as.full_name}: layers that scale pixels are "
        f"{len(scaling)} in the model and {found} in the file, which was trained on pixels in "
        "another range. Build its model with include_preprocessing=True, as Keras does by default."
    )


def _layer_names(path: Path) -> Iterator[str]:
    """Names of all layers in a file of weights, also of those without arrays."""
    import h5py

    with h5py.File(path) as file:
        if "layers" in file:
            yield from file["layers"]
            return
        attributes = file.get("model_weights", file).attrs
        for key in attributes:
            if key.startswith("layer_names"):  # long lists are divided: layer_names0, layer_names1
                for name in attributes[key]:
                    yield name.decode() if isinstance(name, bytes) else name


def _is_published(path: Path, listed: ModelSpec) -> bool:
    """Whether a file is that of the listed model."""
    if listed.weights.published_digest == "none":
        return False
    try:
        verified_sha256(path, listed.weights)
    except WeightsError:
        return False
    return True


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shape of each array in a file of weights, without arrays of the optimiser."""
    import h5py

    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer/"):
            shapes[name] = item.shape

    with h5py.File(path) as file:
        file.visititems(note)
    return shapes


def _text(shapes: dict[str, tuple[int, ...]], name: str) -> str:
    """The shape of an array in words; "none" if the array is missing."""
    return " x ".join(map(str, shapes[name])) or "one number" if name in shapes else "none"
