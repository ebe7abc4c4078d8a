"""What a Python function is asked to predict, until it is known which pictures and which store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.inference.model import LoadedModel
from benchmarking.inference.own_model import Model, OwnPlan
from benchmarking.inference.plan import Models, Options, Plan, plan
from benchmarking.inference.rounds import Rounds
from benchmarking.models.own.recipes import RECIPE, own_recipe
from benchmarking.models.sources.checkpoint import spec_of_checkpoint
from benchmarking.models.sources.model_file import is_model_file, spec_of_model_file
from benchmarking.models.spec import ModelSpec
from benchmarking.pictures.growth import Goal
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.pictures.sampling import Sample
from benchmarking.pictures.sets import listed, sharded
from benchmarking.pictures.shards import GivenShard, ShardNumber, shard_number
from benchmarking.predictions.store import Store

Images = ImageSet | str | Path

Recipe = str | Preprocessing | Any
"""A recipe, a transform that can be translated into one, or the name of one."""

AnyPlan = Plan | OwnPlan


@dataclass(frozen=True, eq=False)
class Request:
    """Models to predict, with all that a user has given about them; see `verbs.predict`.

    Attributes:
        model: names of listed models, the spec of a user's own file, or a user's own model.
        options: how models are run.
        name: name of a user's own model or checkpoint.
        recipe: the recipe, or its name.
        checkpoint: file with a user's own weights.
        part: which of its tensors.
    """

    model: Models | Model | ModelSpec
    options: Options
    name: str | None = None
    recipe: Recipe = RECIPE
    checkpoint: str | Path | None = None
    part: str = ""

    def plan(self, images: str, n: int, store: Store) -> AnyPlan:
        """Plan a sweep over n pictures of an image set.

        Raises:
            BenchmarkError: the arguments contradict each other, a model cannot run, or the disk is
                too full.
        """
        if callable(self.model) and not isinstance(self.model, ModelSpec):
            return self._own(self.model, images, store)
        own = self._own_specs(self.model)
        models: Models = [] if own else names_of(self.model)
        named = self.recipe if isinstance(self.recipe, str) and self.model not in own else RECIPE
        made = plan(models, images, n, store, replace(self.options, recipe=named), own=own)
        for model, obstacle in made.obstacles.items():
            raise BenchmarkError(f"{model}: {obstacle}") from obstacle
        made.check_room()
        return made

    def shard(self, given: GivenShard | None) -> ShardNumber | None:
        """The shard of the pictures that is meant, which has whole batches; None for all.

        Raises:
            BenchmarkError: there is no such shard.
        """
        return None if given is None else shard_number(given, self.options.batch_size)

    def _own(self, model: Model, images: str, store: Store) -> OwnPlan:
        """Plan the prediction of pictures with a user's own model."""
        used = {"batch_size", "workers", "keep", "gpu"}
        plain, given = Options(), self.options
        ignored = [
            name
            for name in vars(plain)
            if name not in used and getattr(given, name) != getattr(plain, name)
        ]
        recipe = recipe_of_own(self.recipe)
        if ignored:
            raise BenchmarkError(
                f"{ignored[0]} is no option of a model of your own; it has "
                f"{', '.join(sorted(used))}."
            )
        if self.name is None and getattr(model, "__name__", "<lambda>") == "<lambda>":
            raise BenchmarkError(
                "a model of your own needs a name: name='mine'. Its run is stored under it, in "
                "place of an earlier one."
            )
        return OwnPlan(model, self.name, recipe, images, store, given)

    def _own_specs(self, model: Any) -> list[ModelSpec]:
        """The spec of a user's checkpoint or model file; empty for listed models."""
        if self.part and self.checkpoint is None:
            raise BenchmarkError("part names tensors of a checkpoint; give checkpoint= as well.")
        if self.checkpoint is not None:
            if not (isinstance(model, str) and isinstance(self.recipe, str)):
                raise BenchmarkError(
                    "a checkpoint needs the name of its architecture, such as "
                    "'torchvision/resnet50', and the name of a recipe."
                )
            return [spec_of_checkpoint(self.checkpoint, model, name=self.name, part=self.part)]
        if isinstance(model, ModelSpec):
            return [model]
        if not isinstance(self.recipe, str) or self.name is not None:
            raise BenchmarkError(
                f"name and recipe of {model!r} are those of its source; a recipe of your own, and "
                "a name, are for a model of your own."
            )
        return []


def request_of(
    model: Any,
    *,
    name: str | None = None,
    recipe: Recipe = RECIPE,
    checkpoint: str | Path | None = None,
    part: str = "",
    **options: Any,
) -> Request:
    """What a user has asked for; for the arguments see `verbs.predict`.

    Raises:
        BenchmarkError: an option is unknown or invalid, or a file has no usable model.
    """
    if isinstance(model, LoadedModel):
        raise BenchmarkError(
            f"{model!r} is a pretrained model; predict {model.spec.full_name!r} by its name, so "
            "that its run says how it was made."
        )
    if is_model_file(model):
        given = None if _is_published(recipe) else recipe
        model = spec_of_model_file(model, name=name, recipe=given)
    return Request(model, options_of(options), name, recipe, checkpoint, part)


def plans(
    made: Callable[[str, int], AnyPlan],
    images: Images,
    estimate: int | Sample | None = None,
    until: float | None = None,
    settled: Callable[[AnyPlan, ImageSet], AnyPlan] = lambda plan, images: plan,
    *,
    shard: ShardNumber | None = None,
) -> Generator[tuple[AnyPlan, ImageSet], Any, None]:
    """Yield a plan and its pictures, to be swept before the next one is asked.

    There are several only if samples grow until an accuracy is known well enough.

    Args:
        made: plans a sweep over an image set, from its name and number of pictures.
        images: the pictures, or their place.
        estimate: see `verbs.predict`.
        until: see `verbs.predict`.
        settled: changes a plan when its pictures are known.
        shard: which part of the place; None for all pictures.

    Raises:
        BenchmarkError: the pictures cannot be used, a sample or a shard is wanted of an open image
            set, or both are wanted.
    """
    goal = _goal(until, estimate)
    if shard is not None and (goal or estimate is not None):
        raise BenchmarkError(
            "an estimate draws pictures from all of them, and a shard is a part; leave out the "
            "estimate or the shard."
        )
    if isinstance(images, ImageSet):
        if estimate is not None or goal or shard:
            raise BenchmarkError(
                f"{images!r} is open already, and a sample or a shard is chosen before pictures "
                "are read; give their place, or use open_images(PLACE, estimate=N) or "
                "open_images(PLACE, shard='I/N')."
            )
        yield settled(made(images.name, len(images)), images), images
        return
    if not isinstance(images, str | Path):
        raise BenchmarkError(
            f"pictures are a {type(images).__name__}; expected an image set, or a place of "
            "pictures. For a few of them use open_images(PLACE, limit=3)."
        )
    contents, name = sharded(*listed(images), shard)
    yield from Rounds(contents, name, made, settled).run(estimate, goal)


def options_of(given: Mapping[str, Any]) -> Options:
    """The options with these names and values; BenchmarkError if one is unknown or invalid."""
    known = Options.__dataclass_fields__
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        close = get_close_matches(unknown[0], known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        hint = " It is one of open_images()." if unknown[0] in ("limit", "on_bad_image") else hint
        names = ", ".join(known)
        raise BenchmarkError(f"there is no option {unknown[0]!r}; there are {names}.{hint}")
    return Options(**given)


def recipe_of_own(recipe: Recipe) -> Preprocessing:
    """The recipe of a user's own model.

    Raises:
        BenchmarkError: it is missing, or cannot be translated.
    """
    if _is_published(recipe):
        raise BenchmarkError(
            "a model of your own needs its recipe: recipe=Recipe(...), its transform of "
            "torchvision or timm, or the name of a listed model that has the same recipe, such as "
            "recipe='torchvision/resnet50'."
        )
    return own_recipe(recipe)


def _goal(until: float | None, estimate: int | Sample | None) -> Goal | None:
    """How well accuracies are to be known; a first sample says how pictures are drawn."""
    if until is None:
        return None
    drawn = (estimate.seed, estimate.difficulty) if isinstance(estimate, Sample) else (0, None)
    return Goal(until, *drawn)


def names_of(model: object) -> Models:
    """The names of listed models; BenchmarkError for anything else."""
    if isinstance(model, str | list | tuple):
        return model
    raise BenchmarkError(
        f"{model!r:.80} is no name of a model; give a name or a list of names. A model of your own "
        "is for predict() and evaluate()."
    )


def _is_published(recipe: Recipe) -> bool:
    """Whether a recipe is the default, which is not given."""
    return isinstance(recipe, str) and recipe == RECIPE
