"""Ablation of a model's published recipe: what does each changed part cost in accuracy?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from filecmp import cmp
from pathlib import Path
from typing import Any

import numpy as np

from benchmarking.errors import BenchmarkError
from benchmarking.experiments import Answer, Grid, Model, Outcome, Setup, in_fresh_processes
from benchmarking.experiments._crops import crops_kept, unscaled
from benchmarking.inference.predict import predict
from benchmarking.io import files
from benchmarking.io.user_folders import expanded
from benchmarking.labels.class_values import padded
from benchmarking.labels.label_set import every_image
from benchmarking.models.spec import Probabilities
from benchmarking.pictures.crop_cache import CropFile, steps_of
from benchmarking.pictures.crop_stream import Crop, crops
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.recipe import SCALINGS, ChannelOrder, Preprocessing, recipe_from
from benchmarking.scoring.metrics import correct
from benchmarking.scoring.statistics import mcnemar_test, paired_interval

NAME = "recipe"
HELP = "what does each step of a model's recipe cost?"
PICTURES = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the experiment."""
    parser.add_argument("models", nargs=1, metavar="MODEL", help="as in 'predict --models'")
    parser.add_argument(
        "--recipe-file",
        type=expanded,
        nargs="+",
        default=[],
        metavar="FILE",
        help="files with your own recipes, .toml or .json; each names the parts that differ from "
        f"the published recipe: {', '.join(field.name for field in fields(Preprocessing))}",
    )


def run(setup: Setup) -> Outcome:
    """Change each part of a model's published recipe in turn, for every model."""
    headings = ["Recipe", "Acc@1", "Difference [95 % interval]", "p", "Top-1 changed"]
    tests = [_test(model, setup) for model in setup.models]
    found: dict[str, list[list[str]]] = {}
    for alike in _alike(tests):
        recipes, workers = alike[0].recipes.values(), alike[0].model.workers
        with crops_kept(setup.pictures, recipes, workers) as files_of:
            for test in alike:
                test = replace(test, crops=files_of)
                answers = in_fresh_processes(test.name, answer, [test], len(test.recipes))
                found[test.name] = [_line(one, test.published) for one in harms(test, answers)]
    grids, written = [], [["Model", *headings]]
    for test in tests:
        lines = found[test.name]
        about = f"{test.name}, {len(setup.pictures)} pictures; published: {test.published}"
        grids.append(Grid(about, [headings, *lines], left=1))
        written += [[test.name, *line] for line in lines]
    return Outcome(tuple(grids), written)


@dataclass(frozen=True)
class RecipeTest:
    """One model and the recipes to compare.

    Attributes:
        model: the model.
        pictures: labelled pictures.
        recipes: recipes by title, the reference first.
        crops: files with the crops by some of the recipes; see `crops_kept`.
    """

    model: Model
    pictures: tuple[Picture, ...]
    recipes: Mapping[str, Preprocessing]
    crops: Mapping[Preprocessing, CropFile] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Full name of the model."""
        return self.model.spec.full_name

    @property
    def published(self) -> Preprocessing:
        """The reference."""
        return self.model.spec.recipes["published"]

    @contextmanager
    def seen(self, recipe: Preprocessing) -> Iterator[Iterator[Crop]]:
        """The crops of all pictures by one of the recipes, from its file or made now."""
        file, workers = self.crops.get(unscaled(recipe)), self.model.workers
        with ExitStack() as stack:
            if file:
                rows = [range(len(self.pictures))]
                made = file.crops(self.pictures, recipe, workers, rows)
            else:
                made = crops(self.pictures, recipe, workers)
            yield stack.enter_context(made)

    def have_same_input(self, first: str, second: str) -> bool:
        """Whether two recipes, by their titles, are known to make the same input of all pictures.

        As "pillow-draft", which shrinks only large pictures.
        """
        one, other = self.recipes[first], self.recipes[second]
        ours, theirs = (self.crops.get(unscaled(recipe)) for recipe in (one, other))
        if one.scaling != other.scaling or not (ours and theirs) or ours.side != theirs.side:
            return False
        try:
            return cmp(ours.path, theirs.path, shallow=False)
        except OSError:  # another process has removed one
            return False


@dataclass(frozen=True)
class Harm:
    """The effect of a recipe, compared with the reference on the same pictures.

    Attributes:
        title: title of the recipe.
        recipe: the recipe.
        acc1: acc@1, in [0, 1].
        difference: acc@1 minus that of the reference, in [-1, 1].
        interval: 95 % confidence interval of the difference.
        p_value: p-value of the exact McNemar test.
        flips: number of pictures whose most probable class differs.
        n: number of pictures.
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
    """The published recipe, and variants with one part changed, by a title for the change."""
    found = {"published": published}
    for filter_ in ("nearest", "bilinear", "bicubic", "area"):
        found[f"filter {filter_}"] = replace(published, interpolation=filter_)
    if published.library == "opencv":
        found["Pillow, which antialiases"] = replace(published, library="pillow")
    else:
        found["OpenCV, which does not antialias"] = replace(published, library="opencv")
        found["decoder shrinks (draft)"] = replace(published, library="pillow-draft")
    side = published.crop
    found["resized to a square"] = replace(published, resize=(side, side), first="resize")
    found["no margin (shorter side = crop)"] = replace(published, resize=side)
    found["crop ratio 0.875"] = replace(published, resize=round(side / 0.875))
    if published.first == "resize":
        small = replace(published, resize=round(side * 0.875))
        found["black border (shorter side too small)"] = small
    else:
        found["resized before the crop"] = replace(published, first="resize")
    order: ChannelOrder = "bgr" if published.scaling.channels == "rgb" else "rgb"
    swapped = replace(published.scaling, channels=order)
    found["channels swapped (BGR)"] = replace(published, scaling=swapped)
    for scaling in ("tf", "torch", "caffe"):
        found[f"scaling {scaling}"] = replace(published, scaling=SCALINGS[scaling])
    different = {title: recipe for title, recipe in found.items() if recipe != published}
    return {"published": published, **different}


def own_recipe(document: Mapping[str, Any], published: Preprocessing) -> Preprocessing:
    """A recipe from a file: the published one, with the parts that the file names.

    Raises:
        BenchmarkError: the file has an unknown part or an invalid value.
    """
    return recipe_from({**published.as_document(), **document})


def answer(test: RecipeTest) -> Iterator[Answer]:
    """Predictions of one model for the same pictures under each recipe.

    Raises:
        BenchmarkError: the model cannot be loaded or a picture cannot be decoded.
    """
    loaded = test.model.load()
    predictors = {
        scaling: loaded.predictor(scaling)
        for scaling in dict.fromkeys(recipe.scaling for recipe in test.recipes.values())
    }
    made: dict[str, Probabilities] = {}
    for title, recipe in test.recipes.items():
        twin = next((one for one in made if test.have_same_input(one, title)), None)
        if twin is None:
            with test.seen(recipe) as seen:
                predictor, classes = predictors[recipe.scaling], loaded.spec.classes
                batches = predict(predictor, seen, loaded.batch_size, classes)
                made[title] = np.concatenate([batch.probabilities for batch in batches])
        yield Answer(title, made[twin or title])


def harms(test: RecipeTest, answers: Sequence[Answer]) -> list[Harm]:
    """The effect of each recipe, the most harmful first; answers are in the test's order."""
    labels = every_image(padded(picture.right for picture in test.pictures))
    guesses = {one.title: one.probabilities.argmax(axis=1) for one in answers}
    reference = guesses[answers[0].title]
    right, n = correct(reference[:, None], labels, k=1), len(labels)
    found = []
    for title, guess in guesses.items():
        hits = correct(guess[:, None], labels, k=1)
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


def _test(model: Model, setup: Setup) -> RecipeTest:
    """The test of a model: its published recipe, the variations, and those of the user."""
    published = model.spec.recipes["published"]
    own = {
        path.stem: own_recipe(_document(path), published)
        for path in setup.options.get("recipe_file", [])
    }
    return RecipeTest(model, setup.pictures, {**variations(published), **own})


def _alike(tests: Sequence[RecipeTest]) -> list[list[RecipeTest]]:
    """Group tests whose recipes make the same crops, in the order of their first appearance."""
    found: dict[str, list[RecipeTest]] = {}
    for test in tests:
        steps = {repr(steps_of(recipe)) for recipe in test.recipes.values()}
        found.setdefault(repr(sorted(steps)), []).append(test)
    return list(found.values())


def _line(harm: Harm, published: Preprocessing) -> list[str]:
    low, high = (100 * end for end in harm.interval)
    costs = [
        f"{100 * harm.difference:+.2f} [{low:+.2f}, {high:+.2f}]",
        f"{harm.p_value:.2g}",
        f"{100 * harm.flips / harm.n:.1f} %",
    ]
    is_reference = harm.recipe == published
    return [harm.title, f"{100 * harm.acc1:.2f}", *([""] * 3 if is_reference else costs)]


def _document(path: Path) -> Mapping[str, Any]:
    """Read the parts of a recipe from a file.

    Raises:
        BenchmarkError: it cannot be read.
    """
    import json
    import tomllib

    try:
        text = files.read_regular(path).decode()
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise BenchmarkError(f"{path} is no readable .toml or .json file: {error}") from error
    if not isinstance(found, dict):
        raise BenchmarkError(f"{path} holds no names and values.")
    return found
