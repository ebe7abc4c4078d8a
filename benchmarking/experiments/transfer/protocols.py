"""The protocols: what is trained for a model, and on what each result depends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from benchmarking.errors import BenchmarkError, not_installed
from benchmarking.experiments import Model
from benchmarking.experiments.transfer import probe
from benchmarking.experiments.transfer.article import ArticleTest, refuse_other_frameworks
from benchmarking.experiments.transfer.augmentation import Augmentation
from benchmarking.experiments.transfer.features import FeatureTest, digest_of, module_versions
from benchmarking.experiments.transfer.heads import HeadTest
from benchmarking.experiments.transfer.moving_statistics import MovingTest
from benchmarking.experiments.transfer.networks import HEADS, recipe_of
from benchmarking.experiments.transfer.plan import Training
from benchmarking.experiments.transfer.probe import ProbeTest
from benchmarking.experiments.transfer.runs import Request
from benchmarking.experiments.transfer.task import Task
from benchmarking.models.frameworks import frameworks

Protocol = Literal["same", "defaults", "probe", "article"]
Resize = Literal["squash", "shorter-side"]


@dataclass(frozen=True)
class Options:
    """How heads are trained; the defaults are the article's, made equal in both frameworks.

    Attributes:
        protocol: "same", one plan for every framework; "defaults", each framework as it comes;
            "probe", logistic regression; or "article", the choices of two notebooks of 2018.
        training: width of the head, epochs, optimizer and so on.
        seeds: number of trainings of each head, with the seeds 0, 1 and so on.
        resize: "squash" to the model's square, or "shorter-side" with a crop of the centre.
        augmentation: changes of the training pictures.
        heads: names of the frameworks that train heads.

    Raises:
        BenchmarkError: a value is unknown or out of range.
    """

    protocol: Protocol = "same"
    training: Training = field(default_factory=Training)
    seeds: int = 1
    resize: Resize = "squash"
    augmentation: Augmentation = field(default_factory=Augmentation)
    heads: tuple[str, ...] = tuple(HEADS)

    def __post_init__(self) -> None:
        for name, is_right, wanted in (
            ("protocol", self.protocol in get_args(Protocol), ", ".join(get_args(Protocol))),
            ("seeds", self.seeds >= 1, "1 or more"),
            ("resize", self.resize in get_args(Resize), ", ".join(get_args(Resize))),
            ("heads", set(self.heads) <= set(HEADS) and self.heads, " or ".join(HEADS)),
        ):
            if not is_right:
                raise BenchmarkError(f"{name} is {getattr(self, name)!r}; expected {wanted}.")


Test = HeadTest | ProbeTest | ArticleTest | MovingTest


@dataclass(frozen=True)
class Work:
    """One training, with the request under which its result is stored.

    Attributes:
        task: what is learned.
        model: the model whose backbone is used.
        framework: name of the framework or library that trains.
        test: what its process gets.
        request: the identity of the result.
    """

    task: Task
    model: Model
    framework: str
    test: Test
    request: Request


def work_of(task: Task, model: Model, options: Options, folder: Path) -> Iterator[Work]:
    """Yield every training of a model for a task, seed by seed.

    Args:
        task: what is learned.
        model: the model.
        options: how.
        folder: folder for files of features.

    Raises:
        BenchmarkError: the model has no published recipe, or its weights are missing.
    """
    train, validation = feature_tests(task, model, options, folder)
    about = facts_of(task, train, validation)
    training, classes = options.training, len(task.classes)
    names: Sequence[str] = options.heads
    if options.protocol == "probe":
        names = [probe.NAME]
    elif options.protocol == "article":
        refuse_other_frameworks(model)
        names = [model.spec.framework]
    for framework in names:
        for seed in range(options.seeds):
            how: dict[str, Any] = asdict(training)
            if options.protocol == "probe":
                test: Test = ProbeTest(train, validation, classes, seed)
                how = {"strengths": list(probe.STRENGTHS), "folds": probe.FOLDS}
            elif options.protocol == "article":
                test = ArticleTest(model, task, training, seed)
            else:
                test = HeadTest(
                    framework, options.protocol, train, validation, classes, training, seed
                )
            spec, made_from = model.spec, {**about, "training": how}
            made_from["versions"] = versions_of_library(framework)
            request = Request(
                task.name, options.protocol, spec.source, spec.name, framework, seed, made_from
            )
            yield Work(task, model, framework, test, request)


def feature_tests(
    task: Task, model: Model, options: Options, folder: Path
) -> tuple[FeatureTest, FeatureTest]:
    """The features of the training pictures, and those of the validation pictures."""
    recipe = recipe_of(model.spec, options.resize)
    return (
        FeatureTest(model, recipe, task.train, options.augmentation, folder),
        FeatureTest(model, recipe, task.validation, Augmentation(), folder),
    )


def facts_of(task: Task, train: FeatureTest, validation: FeatureTest) -> dict[str, Any]:
    """What the features and the classes of a task are."""
    return {
        "classes": list(task.classes),
        "train": task.train.fingerprint,
        "validation": task.validation.fingerprint,
        "features": {key: value for key, value in train.key.items() if key != "pictures"},
        "validation features": digest_of(validation.key),
    }


def versions_of_library(framework: str) -> dict[str, str]:
    """Versions of the library that trains, found without importing it."""
    if framework == probe.NAME:
        return module_versions([probe.NAME])
    return module_versions(frameworks()[framework].MODULES)


def with_installed_heads(options: Options, tell: Callable[[str], None]) -> Options:
    """The options with those frameworks that are installed; the others are told.

    Raises:
        MissingDependency: none is installed, or the library of the protocol is not.
    """
    if options.protocol == "probe":
        if find_spec("sklearn") is None:
            raise not_installed("sklearn", probe.EXTRA)
        return options
    problems = {
        name: not_installed(module, frameworks()[name].EXTRA)
        for name in options.heads
        for module in frameworks()[name].MODULES
        if find_spec(module) is None
    }
    able = tuple(name for name in options.heads if name not in problems)
    if not able:
        raise next(iter(problems.values()))
    for name, problem in problems.items():
        tell(f"no heads are trained in {HEADS[name].TITLE}: {problem}")
    return replace(options, heads=able)
