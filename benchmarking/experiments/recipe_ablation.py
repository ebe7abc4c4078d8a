"""What does each step of a recipe cost? One factor at a time from the published one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from benchmarking.audits import Model, Said
from benchmarking.crops import crops
from benchmarking.errors import BenchmarkError
from benchmarking.image_sets import Picture
from benchmarking.predict import predict
from benchmarking.specs import Preprocessing
from benchmarking.statistics import mcnemar_test, paired_interval


@dataclass(frozen=True)
class RecipeTest:
    """One model, and what to do to its pictures.

    Attributes:
        model: which one.
        pictures: labelled.
        recipes: preprocessings by title, the reference first.
    """

    model: Model
    pictures: tuple[Picture, ...]
    recipes: Mapping[str, Preprocessing]


@dataclass(frozen=True)
class Harm:
    """What a recipe costs, against the reference on the same pictures.

    Attributes:
        title: of the recipe.
        recipe: in full.
        acc1: acc@1, in [0, 1].
        difference: acc@1 less that of the reference, in [-1, 1].
        interval: of the difference, 95 %.
        p_value: of the exact McNemar test.
        flips: pictures whose most probable class is another one.
        n: pictures.
    """

    title: str
    recipe: Preprocessing
    acc1: float
    difference: float
    interval: tuple[float, float]
    p_value: float
    flips: int
    n: int


def variations(published: Preprocessing) -> dict[str, Preprocessing]:
    """The published recipe, and each of its parts changed alone, by what was changed."""
    found = {"published": published}
    for filter_ in ("nearest", "bilinear", "bicubic", "area"):
        found[f"filter {filter_}"] = replace(published, interpolation=filter_)
    if published.library == "opencv":
        found["Pillow, which antialiases"] = replace(published, library="pillow")
    else:
        found["OpenCV, which does not antialias"] = replace(published, library="opencv")
        found["decoder shrinks (draft)"] = replace(published, library="pillow-draft")
    side = published.crop
    found["squashed to a square"] = replace(published, resize=(side, side))
    found["no margin (shorter side = crop)"] = replace(published, resize=side)
    found["crop ratio 0.875"] = replace(published, resize=round(side / 0.875))
    found["black border (shorter side too small)"] = replace(published, resize=round(side * 0.875))
    found["channels swapped (BGR)"] = replace(published, scaling=f"{published.scaling}-swapped")
    for scaling in ("tf", "torch", "caffe"):
        found[f"scaling {scaling}"] = replace(published, scaling=scaling)
    different = {title: recipe for title, recipe in found.items() if recipe != published}
    return {"published": published, **different}


def recipe_from(document: Mapping[str, Any], published: Preprocessing) -> Preprocessing:
    """A recipe from a file: the published one, with the parts that the file names.

    Raises:
        BenchmarkError: the file names what no recipe has, or a value that no part can have.
    """
    known = {field.name for field in fields(Preprocessing)}
    unknown = sorted(document.keys() - known)
    if unknown:
        raise BenchmarkError(f"a recipe has no {unknown[0]!r}; it has {', '.join(sorted(known))}.")
    parts: dict[str, Any] = {
        name: tuple(part) if isinstance(part, list) else part for name, part in document.items()
    }
    try:
        return replace(published, **parts)
    except TypeError as error:
        raise BenchmarkError(f"a part of the recipe has no such value: {error}.") from error


def answer(test: RecipeTest) -> Iterator[Said]:
    """What one model says of the same pictures under each recipe.

    Raises:
        BenchmarkError: the model cannot be loaded or a picture cannot be decoded.
    """
    loaded = test.model.load()
    for title, recipe in test.recipes.items():
        predictor, classes = loaded.predictor(recipe.scaling), loaded.spec.classes
        with crops(test.pictures, recipe, test.model.workers) as seen:
            batches = predict(predictor, seen, loaded.batch_size, classes)
            yield Said(title, np.concatenate([batch.probabilities for batch in batches]))


def harms(test: RecipeTest, said: Sequence[Said]) -> list[Harm]:
    """What each recipe costs, the most harmful first; `said` is in the test's order."""
    labels = np.array([picture.label for picture in test.pictures])
    guesses = {one.title: one.probabilities.argmax(axis=1) for one in said}
    reference = guesses[said[0].title]
    right, n = reference == labels, len(labels)
    found = []
    for title, guess in guesses.items():
        hits = guess == labels
        gained, lost = int((hits & ~right).sum()), int((right & ~hits).sum())
        found.append(
            Harm(
                title,
                test.recipes[title],
                float(hits.mean()),
                (gained - lost) / n,
                paired_interval(gained, lost, n),
                mcnemar_test(gained, lost),
                int((guess != reference).sum()),
                n,
            )
        )
    return sorted(found, key=lambda harm: (harm.difference, -harm.flips))
