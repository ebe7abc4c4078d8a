"""The Python functions that predict pictures with models and store the runs.

`predict` shows a bar; `sweep` yields events for callers that show progress themselves.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from benchmarking.errors import BenchmarkError
from benchmarking.inference.events import AlreadyStored, Event, Stored
from benchmarking.inference.executors import Failed
from benchmarking.inference.model import LoadedModel
from benchmarking.inference.own_model import Model, job_of, sweep_of
from benchmarking.inference.plan import Models, Options, Plan, plan
from benchmarking.inference.progress import bars
from benchmarking.models.own.recipes import RECIPE, own_recipe
from benchmarking.models.sources import all_specs, select
from benchmarking.models.sources.checkpoint import spec_of_checkpoint
from benchmarking.models.sources.model_file import is_model_file, spec_of_model_file
from benchmarking.models.spec import ModelSpec
from benchmarking.models.transforms import recipe_of
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.pictures.sampling import Sample
from benchmarking.pictures.sets import listed, open_images
from benchmarking.predictions.remote_store import store_at
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store

Images = ImageSet | str | Path

Recipe = str | Preprocessing | Any
"""A recipe, a transform that can be translated into one, or the name of one."""


def sweep(
    models: Models,
    images: Images,
    store: Store | str | Path,
    *,
    estimate: int | Sample | None = None,
    **options: Any,
) -> Generator[Event, None, None]:
    """Predict pictures with models, store the runs, and yield events.

    The events are those of `benchmarking.inference.events`: `Started`, `Progress` (with the number
    of further pictures; 0 if a job merely runs), `Stored`, `AlreadyStored`, `Failed`, and
    `PutAside` for a job that is tried again. Each event has its `job`, and a job has its `run`.

    Use it to show progress yourself; `predict` does the same with a bar. If you stop before its
    end, close it (`contextlib.closing`): that keeps the partial runs and ends the worker.

    Args:
        models: a name, wildcard, framework or source, or several.
        images: the pictures; see `open_images`.
        store: the store for the runs.
        estimate: see `predict`.
        options: fields of `Options`, by name.

    Raises:
        BenchmarkError: a name is unknown, a model cannot run, or the store cannot be written.
    """
    _refuse_no_name(models)
    with ExitStack() as stack:
        made, pictures = _planned(models, images, estimate, _store(store), _options(options), stack)
        yield from made.sweep(pictures)


def from_file(model: Any, recipe: Recipe = "published", name: str | None = None) -> Any:
    """The spec of a model that is given by its file; any other model is returned as it is.

    Raises:
        BenchmarkError: the file has no usable model, or its recipe is missing.
    """
    if not is_model_file(model):
        return model
    given = None if _is_published(recipe) else recipe
    return spec_of_model_file(model, name=name, recipe=given)


def recipes_of(model: Any, recipe: Recipe) -> list[Preprocessing]:
    """The recipes of models, as far as they are known before the sweep is planned.

    Raises:
        BenchmarkError: a name is unknown, or a transform cannot be translated.
    """
    if isinstance(model, ModelSpec):
        return [model.recipes[RECIPE]]
    if not isinstance(recipe, str):
        return [recipe_of(recipe)]
    if callable(model):
        return [_recipe_of_own(recipe)]
    if not isinstance(model, str | list | tuple):
        return []
    patterns = [model] if isinstance(model, str) else model
    specs = select(patterns) if patterns else all_specs()
    return list(dict.fromkeys(spec.recipes[recipe] for spec in specs if recipe in spec.recipes))


def _planned(
    models: Models,
    images: Images,
    estimate: int | Sample | None,
    store: Store,
    options: Options,
    stack: ExitStack,
    own: Sequence[ModelSpec] = (),
) -> tuple[Plan, ImageSet]:
    """Plan the sweep, then read the pictures, unless they are open; crops stay with the stack.

    Raises:
        BenchmarkError: a model cannot run, the disk is too full, or pictures cannot be used.
    """
    _refuse_no_name(models)
    if isinstance(images, ImageSet):
        pictures = opened(images, (), estimate)
        made = _on_pictures(models, pictures.name, len(pictures), store, options, own)
        return made, pictures
    _refuse_no_pictures(images)
    contents, name = listed(images, estimate=estimate)
    made = _on_pictures(models, name, len(contents.pictures), store, options, own)
    return made.read(contents, stack)


def _on_pictures(
    models: Models,
    images: str,
    n: int,
    store: Store,
    options: Options,
    own: Sequence[ModelSpec],
) -> Plan:
    """Plan the sweep; BenchmarkError if a model cannot run, or the disk is too full."""
    made = plan(models, images, n, store, options, own=own)
    for model, obstacle in made.obstacles.items():
        raise BenchmarkError(f"{model}: {obstacle}") from obstacle
    made.check_room()
    return made


def _refuse_no_name(models: object) -> None:
    if callable(models) or not isinstance(models, str | list | tuple):
        raise BenchmarkError(
            f"{models!r:.80} is no name of a model; give a name or a list of names. A model of "
            "your own is for predict() and evaluate()."
        )


def predict(
    model: Models | Model | Path,
    images: Images,
    store: Store | str | Path,
    *,
    name: str | None = None,
    recipe: Recipe = "published",
    checkpoint: str | Path | None = None,
    part: str = "",
    estimate: int | Sample | None = None,
    **options: Any,
) -> list[Run]:
    """Predict pictures with pretrained models, or with your own model, and store the runs.

    Complete runs are not computed again, and an interrupted run is resumed. Only your own model
    always starts from the beginning, because a change of it cannot be detected.

    Args:
        model: names as in `imagenet-benchmark models`, also with wildcards; or the file of your own
            model (.onnx, .pt2, .keras or .py), see `spec_of_model_file`; or your own model: a
            function from uint8 crops (n, height, width, 3) to logits or probabilities (n, 1000), in
            the order of ImageNet's classes, a PyTorch module that gives logits, or a Keras model.
        images: the pictures; see `open_images`.
        store: the store for the runs.
        name: name of your own model or checkpoint; by default that of the function or file.
        recipe: name of the recipe. For your own model the recipe itself, a transform of torchvision
            or timm that can be translated into one, or the name of a listed model that has the same
            recipe, such as "torchvision/resnet50"; a model in a file can also have its recipe
            beside it.
        checkpoint: file with your own weights for the architecture `model`; see
            `spec_of_checkpoint`.
        part: which tensors of the checkpoint are meant, as the start of their names, such as
            "state_dict_ema"; needed only if several fit.
        estimate: number of pictures to draw at random from the place `images`; the stored runs are
            estimates of the accuracies on all pictures, with intervals. See `open_images`.
        options: fields of `Options`, by name.

    Returns:
        The stored runs, in the order of the models.

    Raises:
        BenchmarkError: a name is unknown, or a model failed; the runs of the others are stored.
    """
    if isinstance(model, LoadedModel):
        raise BenchmarkError(
            f"{model!r} is a pretrained model; predict {model.spec.full_name!r} by its name, so "
            "that its run says how it was made."
        )
    chosen = from_file(model, recipe, name)
    target = _store(store)
    wanted: list[Run] = []
    with ExitStack() as stack:
        if callable(chosen):
            pictures = opened(images, recipes_of(chosen, recipe), estimate)
            events = _own(chosen, pictures, target, name, _recipe_of_own(recipe), _options(options))
        else:
            own = _own_specs(chosen, name, recipe, checkpoint, part)
            named = recipe if isinstance(recipe, str) and chosen not in own else RECIPE
            how = _options({"recipe": named, **options})
            models = [] if own else chosen
            made, pictures = _planned(models, images, estimate, target, how, stack, own)
            events, wanted = made.sweep(pictures), list(map(made.run, made.specs))
        shown = stack.enter_context(closing(bars(events)))
        stored = _runs(shown, target)
    return [run for run in wanted if run in stored] if wanted else stored


def _own_specs(
    model: Models | ModelSpec,
    name: str | None,
    recipe: Recipe,
    checkpoint: str | Path | None,
    part: str,
) -> list[ModelSpec]:
    """The spec of a user's checkpoint or model file; empty for listed models.

    Raises:
        BenchmarkError: the arguments contradict each other, or the checkpoint cannot be used.
    """
    if part and checkpoint is None:
        raise BenchmarkError("part names tensors of a checkpoint; give checkpoint= as well.")
    if checkpoint is not None:
        if not (isinstance(model, str) and isinstance(recipe, str)):
            raise BenchmarkError(
                "a checkpoint needs the name of its architecture, such as 'torchvision/resnet50', "
                "and the name of a recipe."
            )
        return [spec_of_checkpoint(checkpoint, model, name=name, part=part)]
    if isinstance(model, ModelSpec):
        return [model]
    if not isinstance(recipe, str) or name is not None:
        raise BenchmarkError(
            f"name and recipe of {model!r} are those of its source; a recipe of your own, and a "
            "name, are for a model of your own."
        )
    return []


def _own(
    model: Model,
    images: ImageSet,
    store: Store,
    name: str | None,
    recipe: Preprocessing,
    options: Options,
) -> Generator[Event, None, None]:
    """Events of a user's own model."""
    used = {"batch_size", "workers", "keep", "gpu"}
    plain = Options()
    ignored = [n for n in vars(plain) if n not in used and getattr(options, n) != getattr(plain, n)]
    if ignored:
        raise BenchmarkError(
            f"{ignored[0]} is no option of a model of your own; it has {', '.join(sorted(used))}."
        )
    if name is None and getattr(model, "__name__", "<lambda>") == "<lambda>":
        raise BenchmarkError(
            "a model of your own needs a name: name='mine'. Its run is stored under it, in place "
            "of an earlier one."
        )
    job = job_of(model, name, recipe, images, options)
    store.admit(images)
    return sweep_of(model, images, store).run([job])


def _recipe_of_own(recipe: Recipe) -> Preprocessing:
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


def _is_published(recipe: Recipe) -> bool:
    """Whether a recipe is the default, which is not given."""
    return isinstance(recipe, str) and recipe == RECIPE


def _runs(events: Iterator[Event], store: Store) -> list[Run]:
    """The runs that are stored at the end of a sweep; BenchmarkError if a model failed."""
    runs, failures = [], []
    for event in events:
        if isinstance(event, Failed):
            run = event.job.run
            reason = f"{run.source}/{run.model}: {event.reason}"
            failures.append(f"{reason}\n{event.details}".rstrip())
        elif isinstance(event, Stored | AlreadyStored):
            runs.append(event.job.run)
    if failures:
        total = len(runs) + len(failures)
        stored = [f"Stored in {store.place}: {len(runs)} of {total}."] if runs else []
        raise BenchmarkError("\n".join([*failures, *stored]))
    return runs


def _options(given: Mapping[str, Any]) -> Options:
    unknown = sorted(given.keys() - Options.__dataclass_fields__.keys())
    if unknown:
        known = ", ".join(Options.__dataclass_fields__)
        close = get_close_matches(unknown[0], Options.__dataclass_fields__, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        hint = " It is one of open_images()." if unknown[0] in ("limit", "on_bad_image") else hint
        raise BenchmarkError(f"there is no option {unknown[0]!r}; there are {known}.{hint}")
    return Options(**given)


def opened(
    images: Images, recipes: Sequence[Preprocessing], estimate: int | Sample | None = None
) -> ImageSet:
    """Return an image set as it is, or open a place and check that all recipes can crop it.

    Raises:
        BenchmarkError: the place cannot be used, or a sample is wanted of an open image set.
    """
    _refuse_no_pictures(images)
    if not isinstance(images, ImageSet):
        return open_images(images, recipes=recipes, estimate=estimate)
    if estimate is not None:
        raise BenchmarkError(
            f"{images!r} is open already, and a sample is drawn before pictures are read; give "
            "their place, or use open_images(PLACE, estimate=N)."
        )
    return images


def _refuse_no_pictures(images: object) -> None:
    if not isinstance(images, ImageSet | str | Path):
        raise BenchmarkError(
            f"pictures are a {type(images).__name__}; expected an image set, or a place of "
            "pictures. For a few of them use open_images(PLACE, limit=3)."
        )


def _store(store: Store | str | Path) -> Store:
    return store_at(store)
