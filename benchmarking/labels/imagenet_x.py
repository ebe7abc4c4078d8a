"""ImageNet-X: what makes a validation picture unusual, as people have said for each picture.

The annotations have a licence of their own, CC BY-NC 4.0, and are never part of this package; the
package imagenet-x, which a user installs, has them. Source: B. Y. Idrissi et al. (2023),
ImageNet-X: Understanding model mistakes with factor of variation annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from benchmarking.errors import BenchmarkError
from benchmarking.labels.imagenet import validation_number

FACTORS = (
    *("pose", "background", "pattern", "color", "smaller", "shape", "partial_view"),
    *("subcategory", "texture", "larger", "darker", "object_blocking", "person_blocking"),
    *("style", "brighter", "multiple_objects"),
)
"""The 16 factors, as the annotations name them."""

LICENCE = "CC BY-NC 4.0, not for commercial use"

_PACKAGE = "imagenet_x"
_ANNOTATIONS = "imagenet_x_val_top_factor.jsonl"
_PROTOTYPES = "prototypical_paths.csv"


def annotations_folder() -> Path:
    """The folder with the annotations in the installed package, whose code is not run.

    Raises:
        BenchmarkError: it is not installed.
    """
    spec = find_spec(_PACKAGE)
    for place in (spec and spec.submodule_search_locations) or ():
        if (folder := Path(place, "annotations")).is_dir():
            return folder
    raise BenchmarkError(
        f"the annotations of ImageNet-X are not installed. Their licence is {LICENCE}; if you may "
        "use them, run: pip install --no-deps imagenet-x"
    )


def top_factors(folder: Path) -> Mapping[int, frozenset[str]]:
    """The most important factors of each annotated validation picture, by its number.

    Most pictures have one. As the authors do, prototypes, to which people compared the pictures of
    a class, are left out.

    Raises:
        BenchmarkError: a file is missing or broken.
    """
    import msgspec

    prototypes = set(_lines(folder / _PROTOTYPES))
    found = {}
    decoder = msgspec.json.Decoder(dict[str, object])
    path = folder / _ANNOTATIONS
    for number, line in enumerate(_lines(path), 1):
        try:
            entry = decoder.decode(line)
            name = str(entry["file_name"])
            factors = frozenset(factor for factor in FACTORS if entry[factor] == 1)
        except (msgspec.DecodeError, KeyError) as error:
            raise BenchmarkError(f"{path}, line {number} is broken: {error}.") from error
        picture = validation_number(name)
        if picture is None:
            raise BenchmarkError(
                f"{path}, line {number} has {name!r}, which names no validation picture."
            )
        if name not in prototypes:
            found[picture] = factors
    if not found:
        raise BenchmarkError(f"{path} has no annotations.")
    return found


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path} cannot be read: {error}.") from error
