"""The entries of the weights enums of the installed torchvision.

As a command, this module prints them; see `_library_listing`.
"""

from __future__ import annotations

import re
from functools import cache
from math import isfinite
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.models.sources._library_listing import Library, print_listing
from benchmarking.models.torchvision_entries import Entries, Entry, as_json, decoded, shipped
from benchmarking.models.transforms import recipe_of

_CLASSES = 1000
_LIBRARY = Library("torchvision", __name__, shipped, as_json, decoded)


@cache
def entries() -> tuple[Entry, ...]:
    """The entries of the installed torchvision; those that come with this package if there is none.

    If the installed torchvision cannot be imported, a notice says so.
    """
    return _LIBRARY.listing().entries


def read() -> Entries:
    """Read the entries from the weights enums of the installed torchvision, which imports torch."""
    import torchvision
    from torchvision.models import get_model_weights, list_models

    modules = (torchvision.models, torchvision.models.quantization)
    names = [n for module in modules for n in sorted(list_models(module=module), key=_by_number)]
    found = (_entry(name, one) for name in names for one in get_model_weights(name))
    version = torchvision.__version__.partition("+")[0]
    return Entries(version, tuple(entry for entry in found if entry is not None))


def _by_number(name: str) -> str:
    """Sort key that puts "resnet50" before "resnet101"."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(9), name)


def _entry(model: str, one: Any) -> Entry | None:
    """An entry of an enum; None if it has no classifier for the classes of ImageNet."""
    meta = one.meta
    if len(meta.get("categories") or ()) != _CLASSES:
        return None
    measured = meta.get("_metrics", {}).get("ImageNet-1K", {})
    return Entry(
        model,
        one.name,
        one.url,
        _finite(meta.get("_file_size")),
        meta["num_params"],
        _finite(meta.get("_ops")),
        _finite(measured.get("acc@1")),
        _finite(measured.get("acc@5")),
        meta.get("license", ""),
        _recipe(one.transforms()),
        meta.get("backend", ""),
    )


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None


def _recipe(transform: Any) -> dict[str, Any] | None:
    """An evaluation transform as a recipe; None if it cannot be translated into one."""
    try:
        return recipe_of(transform).as_document()
    except BenchmarkError:
        return None


if __name__ == "__main__":
    print_listing(lambda: as_json(read()))
