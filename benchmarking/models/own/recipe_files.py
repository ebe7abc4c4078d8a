"""Recipes in files, for models whose own file does not tell how pictures become their input."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.io import files
from benchmarking.pictures.recipe import Preprocessing, recipe_from

SUFFIXES = (".recipe.json", ".recipe.toml")
"""Suffixes of the recipe beside a model file, in place of the suffix of the model file."""

EXAMPLE = """{
  "library": "pillow", "interpolation": "bilinear", "resize": 256, "crop": 224,
  "scaling": {"divisor": 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
}"""
"""A recipe to copy: that of most models of PyTorch."""


def recipe_in(path: Path) -> Preprocessing:
    """The recipe in a JSON or TOML file.

    Raises:
        BenchmarkError: the file cannot be read, or is no recipe.
    """
    try:
        text = files.read_regular(path).decode("utf-8-sig")
        document = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise BenchmarkError(f"the recipe {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # those of JSON, TOML and UTF-8
        kind = "TOML" if path.suffix.lower() == ".toml" else "JSON"
        raise BenchmarkError(f"the recipe {path} is not {kind}: {error}.") from error
    return _recipe(path, document)


def recipe_beside(model: Path) -> Preprocessing:
    """The recipe beside a model file: for net.onnx, net.recipe.json or net.recipe.toml.

    Raises:
        BenchmarkError: there is none, there are both, or it is no recipe.
    """
    places = [model.with_suffix(suffix) for suffix in SUFFIXES]
    found = [place for place in places if place.is_file()]
    if len(found) > 1:
        names = " and ".join(place.name for place in found)
        raise BenchmarkError(f"{model.name} has two recipes, {names}; remove one.")
    if not found:
        raise BenchmarkError(
            f"{model.name} does not say how pictures become its input. Write its recipe to "
            f"{places[0].name} beside it, for example\n{EXAMPLE}\n"
            "or name a file with --recipe-file, or a listed model that has the same recipe with "
            "--recipe-of, such as torchvision/resnet50. In Python, give recipe=."
        )
    return recipe_in(found[0])


def _recipe(path: Path, document: Any) -> Preprocessing:
    if not isinstance(document, dict):
        raise BenchmarkError(
            f"the recipe {path} must be an object with names and values, such as\n{EXAMPLE}"
        )
    try:
        return recipe_from(document)
    except BenchmarkError as error:
        raise BenchmarkError(f"the recipe {path}: {error}") from error
