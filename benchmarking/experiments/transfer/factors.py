"""What two comparisons of frameworks can differ in: one setting, and others with one thing changed.

Each factor is one that published comparisons of Keras and PyTorch did not keep equal, or that
changes results without a word, such as a picture in both parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from benchmarking.experiments.transfer.augmentation import Augmentation
from benchmarking.experiments.transfer.changed_plans import Initial
from benchmarking.experiments.transfer.plan import Training
from benchmarking.experiments.transfer.task import Part, Task
from benchmarking.pictures.recipe import SCALINGS, ChannelOrder, Preprocessing

BatchNorm = Literal["inference", "training"]
"""Mode of the backbone's batch normalisation while the head is trained."""

_OTHER_SEEDS = (1, 2, 3)  # they show by how much a training differs by chance
_LEAKED = 10  # every so many validation pictures are put into training


@dataclass(frozen=True)
class Setting:
    """Everything that the result of one training depends on, apart from the model and the seed.

    Attributes:
        task: what is learned.
        recipe: preprocessing of the training pictures.
        at_prediction: preprocessing of the validation pictures.
        augmentation: changes of the training pictures.
        training: how the head is trained.
        framework: the framework that trains it.
        initial: the head before the first step.
        batch_norm: mode of the backbone's batch normalisation.
        protocol: "article" leaves everything but task and training to the article's notebook.
    """

    task: Task
    recipe: Preprocessing
    at_prediction: Preprocessing
    augmentation: Augmentation
    training: Training
    framework: str
    initial: Initial = "glorot"
    batch_norm: BatchNorm = "inference"
    protocol: Literal["same", "article"] = "same"


@dataclass(frozen=True)
class Variant:
    """A setting that differs from the reference in one factor.

    Attributes:
        factor: the factor.
        value: its value, where the reference has another one.
        setting: the setting.
        seeds: how much is added to the seeds of the reference.
    """

    factor: str
    value: str
    setting: Setting
    seeds: int = 0


def variants(reference: Setting, shorter_side: int, framework: str) -> list[Variant]:
    """The reference first, then every setting with one factor changed, then all at once.

    Args:
        reference: the setting that all others are compared with; "same" with augmentation.
        shorter_side: to which the model's published recipe resizes, in pixels.
        framework: that of the model. Only in PyTorch can the batch normalisation of a frozen
            backbone be in training mode.
    """
    return [
        Variant("reference", "", reference),
        *(Variant("seed", f"another one, {n}", reference, seeds=n) for n in _OTHER_SEEDS),
        *_of_training(reference, framework),
        *_of_pixels(reference, shorter_side),
        *_of_augmentation(reference),
        *_of_task(reference),
        *_of_all(reference, framework),
    ]


def _of_training(reference: Setting, framework: str) -> Iterator[Variant]:
    other = {"pytorch": "keras", "keras": "pytorch"}[reference.framework]
    yield Variant("framework of the head", other, replace(reference, framework=other))
    if reference.training.optimizer == "adam":
        for epsilon in (1e-8, 1e-3):
            changed = replace(reference.training, epsilon=epsilon)
            yield Variant("Adam's epsilon", f"{epsilon:g}", replace(reference, training=changed))
        in_pytorch = replace(
            reference,
            framework="pytorch",
            training=replace(reference.training, optimizer="own-adam", epsilon=1e-7),
        )
        yield Variant("Adam's formula", "PyTorch's, epsilon 1e-07", in_pytorch)
    yield Variant("initial head", "PyTorch's", replace(reference, initial="pytorch"))
    if framework == reference.framework == "pytorch":
        yield Variant(
            "batch normalisation", "training mode", replace(reference, batch_norm="training")
        )


def _of_pixels(reference: Setting, shorter_side: int) -> Iterator[Variant]:
    """Changes of the preprocessing: of both parts alike, then at prediction only."""
    changed = dict(_other_recipes(reference.recipe, shorter_side))
    for (factor, value), recipe in changed.items():
        if factor != "scaling":
            yield Variant(factor, value, replace(reference, recipe=recipe, at_prediction=recipe))
    scaling = next(key for key in changed if key[0] == "scaling")
    recipe = changed[scaling]
    yield Variant(*scaling, replace(reference, recipe=recipe, at_prediction=recipe))
    for (factor, value), recipe in changed.items():
        yield Variant(f"{factor} at prediction", value, replace(reference, at_prediction=recipe))


def _other_recipes(
    recipe: Preprocessing, shorter_side: int
) -> Iterator[tuple[tuple[str, str], Preprocessing]]:
    if not isinstance(recipe.resize, int):
        yield ("resize", "shorter side, centre crop"), replace(recipe, resize=shorter_side)
    yield ("filter", "nearest"), replace(recipe, interpolation="nearest")
    order: ChannelOrder = "bgr" if recipe.scaling.channels == "rgb" else "rgb"
    swapped = replace(recipe.scaling, channels=order)
    yield ("channels", order.upper()), replace(recipe, scaling=swapped)
    for name in ("torch", "tf", "caffe", "identity"):
        if SCALINGS[name] != recipe.scaling:
            title = "none" if name == "identity" else name
            yield ("scaling", title), replace(recipe, scaling=SCALINGS[name])


def _of_augmentation(reference: Setting) -> Iterator[Variant]:
    now = reference.augmentation
    if not now.draws:
        return
    every = {"edge": "edge", "reflect": "reflect", "black": "black"}
    for factor, value, changed in (
        *(("fill", name, replace(now, fill=name)) for name in every if name != now.fill),  # type: ignore[arg-type]
        ("shear", f"{now.shear:g} radians", replace(now, shear=math.degrees(now.shear))),
        ("zoom", "of each axis", replace(now, zoom_axes="each")),
        ("geometry", "torchvision's", replace(now, geometry="torchvision")),
        ("order", "augmented after scaling", replace(now, order="after-scaling")),
        (
            "order and fill",
            "after scaling, black",
            replace(now, order="after-scaling", fill="black"),
        ),
        ("augmentation", "none", replace(now, draws=0)),
    ):
        yield Variant(factor, value, replace(reference, augmentation=changed))


def _of_task(reference: Setting) -> Iterator[Variant]:
    task = reference.task
    for factor, value, changed in (
        ("class order", "reversed in both parts", reordered(task, ("train", "validation"))),
        ("class order", "reversed at prediction", reordered(task, ("validation",))),
        ("leak", f"every {_LEAKED}th validation picture", leaking(task)),
    ):
        yield Variant(factor, value, replace(reference, task=changed))
    if task.leaks:
        value = f"without the {len(task.leaks)} shared pictures"
        yield Variant("leak", value, replace(reference, task=without_leaks(task)))


def _of_all(reference: Setting, framework: str) -> Iterator[Variant]:
    """Everything that the article's notebook for the framework of the model does otherwise."""
    if framework in ("pytorch", "keras"):
        article = replace(reference, framework=framework, protocol="article")
        yield Variant("all at once", "the article's protocol", article)


def reordered(task: Task, parts: tuple[str, ...]) -> Task:
    """A task whose classes are numbered backwards in some of its parts."""
    last = len(task.classes) - 1
    changed = {
        name: replace(
            part,
            pictures=tuple(replace(one, label=last - one.label) for one in part.pictures),
        )
        for name, part in (("train", task.train), ("validation", task.validation))
        if name in parts
    }
    classes = tuple(reversed(task.classes)) if "train" in parts else task.classes
    return replace(task, classes=classes, **changed)  # type: ignore[arg-type]


def without_leaks(task: Task) -> Task:
    """A task without the training pictures that are validation pictures too."""
    leaked = {key for one in task.leaks for key in one.train}
    rows = [row for row, one in enumerate(task.train.pictures) if one.key not in leaked]
    return replace(task, train=_rows(task.train, rows), leaks=())


def leaking(task: Task) -> Task:
    """A task with some validation pictures added to the training pictures."""
    own = task.validation
    some = _rows(own, list(range(0, len(own), _LEAKED)))
    pictures = tuple(replace(one, key=f"leaked/{one.key}") for one in some.pictures)
    train = Part(task.train.pictures + pictures, task.train.digests + some.digests)
    return replace(task, train=train)


def _rows(part: Part, rows: list[int]) -> Part:
    return Part(tuple(part.pictures[row] for row in rows), tuple(part.digests[row] for row in rows))
