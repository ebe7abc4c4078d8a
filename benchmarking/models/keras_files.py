"""Load the weights of a Keras checkpoint, after comparing its layers with those of the model.

Keras ignores additional layers in a file, so it could load a part of another architecture's file
without an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.errors import WeightsError
from benchmarking.io import temporary
from benchmarking.models.spec import ModelSpec

if TYPE_CHECKING:
    import keras

_LISTED = 10
"""Number of arrays that an error names."""


def fill(model: keras.Model, path: Path, spec: ModelSpec) -> None:
    """Load the weights of a file into a model.

    Args:
        model: the architecture.
        path: a file that `model.save_weights` has written, .weights.h5 or the older .h5.
        spec: the model's spec.

    Raises:
        WeightsError: the file is not HDF5, or its arrays do not fit the architecture.
    """
    try:
        if path.name.endswith(".weights.h5"):
            _check_arrays(model, path, spec)
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
