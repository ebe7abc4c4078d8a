"""Models as data: name, framework, exact weights, recipes, published accuracy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.pictures.recipe import Crops, Preprocessing

Probabilities = NDArray[np.float32]
"""Softmax output: (n, classes), each row summing to one."""

PUBLISHED_RECIPES = ("published", "published-test-size")
"""Recipes with which the publishers of weights evaluate them; the first one is the usual one."""

Scores = NDArray[np.float32]
"""Output of a model: (n, classes), probabilities or logits."""

Logits = NDArray[np.float32]
"""Scores before softmax: (n, classes)."""

Predictor = Callable[[Crops], Scores]
"""A loaded model as a function of crops; a `PredictorWithLogits` if it can give both."""


@dataclass(frozen=True)
class PredictorWithLogits:
    """A loaded model that can give its logits beside its probabilities.

    Attributes:
        probabilities: the model as a function of crops.
        with_logits: the probabilities and the logits of crops, of one forward pass.
    """

    probabilities: Callable[[Crops], Probabilities]
    with_logits: Callable[[Crops], tuple[Probabilities, Logits]]

    def __call__(self, crops: Crops) -> Probabilities:
        """The probabilities of crops."""
        return self.probabilities(crops)


@dataclass(frozen=True)
class Weights:
    """One exact file of weights, with its published digest and address.

    Attributes:
        name: its publisher's name for it, such as "IMAGENET1K_V1".
        file: file name.
        sha256: digest of its bytes in hex, or only the first digits if no more are published.
        md5: digest in hex, if an md5 is published.
        url: address of the download; empty if a package ships the file.
        megabytes: its size in MiB, as frameworks state it; None if unknown.
        folder: its folder, if the user has named the file; None for the folder of its source.
        part: which tensors of the file are meant, as the start of their names; "" for the only
            ones that fit.
        licence: name or address of the licence of the weights; empty if they have none of their
            own.
        hub: the repository at the Hugging Face hub that has the file, as in
            "timm/resnet50.a1_in1k"; its cache can have the file too. Empty if there is none.
        beside: further files that this one refers to, in its folder, each with its sha256.
        parameters_sha256: digest of the parameters, if a program makes the model from other files.

    Raises:
        BenchmarkError: a digest is malformed.
    """

    name: str
    file: str
    sha256: str = ""
    md5: str = ""
    url: str = ""
    megabytes: float | None = None
    folder: Path | None = None
    part: str = ""
    beside: tuple[tuple[str, str], ...] = ()
    parameters_sha256: str = ""
    licence: str = ""
    hub: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch("([0-9a-f]{8,64})?", self.sha256):
            raise BenchmarkError(f"{self.file}: sha256 {self.sha256!r} is not 8 to 64 hex digits.")
        if not re.fullmatch("([0-9a-f]{32})?", self.md5):
            raise BenchmarkError(f"{self.file}: md5 {self.md5!r} is not 32 hex digits.")

    @property
    def published_digest(self) -> str:
        """Kind and hex digits of the published digest, or "none"."""
        if self.sha256:
            return f"sha256 {self.sha256}"
        return f"md5 {self.md5}" if self.md5 else "none"


@dataclass(frozen=True)
class Published:
    """The published accuracy of a model on the ImageNet 2012 validation set.

    Attributes:
        acc1: acc@1 in percent.
        source: citation of the figures.
        acc5: acc@5 in percent; None if it was not published.
        caveat: what is not known about the figures, for readers; empty if nothing is missing.
    """

    acc1: float
    source: str
    acc5: float | None = None
    caveat: str = ""


@dataclass(frozen=True)
class ModelSpec:
    """One pretrained model: exact weights and one preprocessing per recipe.

    Attributes:
        source: name of the source that builds it.
        name: its name within the source, where it is unique.
        framework: name of the framework that runs it, such as "pytorch" or "keras".
        weights: the file its parameters come from.
        recipes: preprocessing by recipe name.
        parameters: number of parameters, as its framework counts them: Keras includes the moving
            statistics of batch normalisation, PyTorch does not.
        published: the accuracy to reproduce; None if none is published.
        classes: number of classes in its output.
        renamed: regular expression and replacement for parameter names in the weight file.
        architecture: the listed model that this one is built as, for a checkpoint of the user's;
            None for a listed model.
        gigamacs: multiply-adds of one forward pass at the published crop size, in 10^9; None if the
            publisher does not give them.
        distributions: distributions whose versions can change this model, besides those of its
            source and framework; they are recorded with each run.
        engine: PyTorch's engine of quantized kernels for which the weights are made, such as
            "fbgemm"; it computes in int8, and on a CPU only. Empty for models in floating point.
    """

    source: str
    name: str
    framework: str
    weights: Weights
    recipes: Mapping[str, Preprocessing]
    parameters: int
    published: Published | None = None
    classes: int = 1000
    renamed: tuple[str, str] | None = None
    architecture: ModelSpec | None = None
    gigamacs: float | None = None
    distributions: tuple[str, ...] = ()
    engine: str = ""

    @property
    def full_name(self) -> str:
        """Source and name, which identify the model."""
        return f"{self.source}/{self.name}"

    def recipe(self, name: str) -> Preprocessing:
        """The preprocessing of a recipe.

        Raises:
            BenchmarkError: the model does not have this recipe.
        """
        if name not in self.recipes:
            raise BenchmarkError(
                f"no recipe {name!r}; it has {', '.join(self.recipes)}."
                if self.recipes
                else f"no recipe {name!r}, because it is not known how the authors of the weights "
                "evaluate them."
            )
        return self.recipes[name]

    @property
    def built_as(self) -> ModelSpec:
        """The listed model whose source and libraries build this one."""
        return self.architecture or self
