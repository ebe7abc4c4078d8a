"""Recipes in the forms in which a user gives them for a model of their own."""

from __future__ import annotations

from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.models.sources import the_spec
from benchmarking.models.transforms import recipe_of
from benchmarking.pictures.recipe import Preprocessing

RECIPE = "published"
"""Name of the default recipe of all commands."""


def own_recipe(given: str | Preprocessing | Any) -> Preprocessing:
    """The recipe that a user has given.

    Args:
        given: a recipe; a transform that can be translated into one; or the name of a listed model
            that has the same one, such as "torchvision/resnet50".

    Raises:
        BenchmarkError: a name is not exactly one model, its recipe is not known, or a transform
            cannot be translated.
    """
    if not isinstance(given, str):
        return recipe_of(given)
    spec = the_spec(given)
    if RECIPE not in spec.recipes:
        raise BenchmarkError(
            f"{spec.full_name} has no recipe {RECIPE!r}: it is not known how its weights were "
            "evaluated; name another model."
        )
    return spec.recipes[RECIPE]
