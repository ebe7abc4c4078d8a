"""What is done in which order when a head is trained: all choices that a seed makes, as data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError

Optimizer = Literal["adam", "own-adam", "sgd"]
Precision = Literal["float32", "float64"]
Head = Mapping[str, NDArray[np.floating[Any]]]
"""Tensors of a head: "hidden.kernel" (features, width), "hidden.bias" (width,), "output.kernel"
(width, classes), "output.bias" (classes,), kernels as Keras has them; without a hidden layer only
the last two, with features in place of width."""


@dataclass(frozen=True)
class Training:
    """How a head is trained, apart from the choices of a seed.

    Attributes:
        head: width of the hidden layer with ReLU; 0 for none, which is logistic regression.
        epochs: passes over the training pictures.
        batch_size: pictures per step; the last step of an epoch may have fewer.
        optimizer: "adam", by the formula of Keras in every framework; "own-adam", each framework's
            class with its own formula; or "sgd", without momentum. None has weight decay.
        learning_rate: of the optimizer.
        epsilon: of Adam; None for the default of its formula, 1e-7 for Keras' and 1e-8 for
            PyTorch's.
        precision: of the head's training; features are always computed in float32.

    Raises:
        BenchmarkError: a value is out of range.
    """

    head: int = 128
    epochs: int = 3
    batch_size: int = 32
    optimizer: Optimizer = "adam"
    learning_rate: float = 0.001
    epsilon: float | None = None
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        for name, is_right, wanted in (
            ("head", self.head >= 0, "a width, or 0 for no hidden layer"),
            ("epochs", self.epochs >= 1, "1 or more"),
            ("batch_size", self.batch_size >= 1, "1 or more"),
            ("optimizer", self.optimizer in get_args(Optimizer), ", ".join(get_args(Optimizer))),
            ("learning_rate", 0 < self.learning_rate < float("inf"), "a number above 0"),
            ("epsilon", self.epsilon is None or self.epsilon > 0, "a number above 0, or None"),
            ("precision", self.precision in get_args(Precision), ", ".join(get_args(Precision))),
        ):
            if not is_right:
                raise BenchmarkError(f"{name} is {getattr(self, name)!r}; expected {wanted}.")


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """One training of a head, with every choice that a seed makes.

    Attributes:
        protocol: "same", "defaults", "article" or a name of an experiment.
        seed: the seed of these choices.
        training: how the head is trained.
        classes: number of classes.
        initial: tensors of the head before the first step; empty if the framework draws its own.
        rows: for each epoch the order of the training rows, (epochs, n); empty (0, 0) if the
            framework shuffles itself.
        versions: for each epoch the version of the augmented pictures, (epochs,).
    """

    protocol: str
    seed: int
    training: Training
    classes: int
    initial: Head
    rows: NDArray[np.int64]
    versions: NDArray[np.int64]

    @property
    def steps(self) -> tuple[tuple[int, NDArray[np.int64]], ...]:
        """Version of the pictures and rows of each step, in order."""
        size = self.training.batch_size
        return tuple(
            (int(version), rows[start : start + size])
            for version, rows in zip(self.versions, self.rows, strict=True)
            for start in range(0, len(rows), size)
        )

    @property
    def document(self) -> dict[str, Any]:
        """The plan as names, numbers and digests, as it is stored."""
        arrays = {**self.initial, "rows": self.rows, "versions": self.versions}
        return {
            "protocol": self.protocol,
            "seed": self.seed,
            **vars(self.training),
            "classes": self.classes,
            "arrays": {name: _digest(array) for name, array in sorted(arrays.items())},
        }

    @property
    def digest(self) -> str:
        """Sha256 of the plan, in hex; two plans with the same digest train the same."""
        return hashlib.sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained head, and how it came about.

    Attributes:
        losses: mean cross-entropy of each step's pictures before the step, (steps,).
        before: tensors of the head before the first step.
        after: tensors of the head after the last step.
        probabilities: of the validation pictures, (n, classes), in their order.
        changed: names of the backbone's tensors that training has changed.
        tensors: number of the backbone's tensors.
        versions: versions of the libraries.
        seconds: of the training, without the backbone's features if these were stored.
        epochs: per-epoch validation scores, (epochs, 2): accuracy in [0, 1] and loss; empty (0, 2)
            if there are no epochs.
        notes: what else was chosen, such as the strength of a penalty, by name.
    """

    losses: NDArray[np.float64]
    before: Head
    after: Head
    probabilities: NDArray[np.floating[Any]]
    changed: tuple[str, ...]
    tensors: int
    versions: Mapping[str, str]
    seconds: float
    epochs: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    notes: Mapping[str, Any] = field(default_factory=dict)


def shared_plan(
    training: Training,
    *,
    seed: int,
    features: int,
    classes: int,
    n: int,
    versions: int = 1,
    protocol: str = "same",
) -> TrainingPlan:
    """A plan that any framework can follow to the letter.

    Args:
        training: how the head is trained.
        seed: seed of the head's initial tensors and of the order of the pictures.
        features: number of the backbone's outputs.
        classes: number of classes.
        n: number of training pictures.
        versions: number of versions of each picture; see `Augmentation`.
        protocol: name of the protocol.
    """
    random = np.random.default_rng(seed)
    return TrainingPlan(
        protocol,
        seed,
        training,
        classes,
        initial_head(random, training, features, classes),
        np.stack([random.permutation(n) for _ in range(training.epochs)]),
        np.arange(training.epochs, dtype=np.int64) % versions,
    )


def own_plan(training: Training, *, seed: int, classes: int, versions: int = 1) -> TrainingPlan:
    """A plan that leaves the initial head, the order of the pictures and Adam to the framework.

    Args:
        training: how the head is trained; Adam becomes the framework's own.
        seed: seed of the framework's generators.
        classes: number of classes.
        versions: number of versions of each picture; see `Augmentation`.
    """
    own = replace(training, optimizer="own-adam") if training.optimizer == "adam" else training
    epochs = np.arange(training.epochs, dtype=np.int64) % versions
    return TrainingPlan("defaults", seed, own, classes, {}, np.empty((0, 0), np.int64), epochs)


def initial_head(
    random: np.random.Generator, training: Training, features: int, classes: int
) -> dict[str, NDArray[np.floating[Any]]]:
    """Tensors of a new head: kernels uniform after Glorot, biases zero.

    Source: X. Glorot, Y. Bengio (2010), Understanding the difficulty of training deep feedforward
    neural networks, eq. 16; Keras' default for dense layers.
    """
    widths = [features, *([training.head] if training.head else []), classes]
    names = (["hidden"] if training.head else []) + ["output"]
    head: dict[str, NDArray[np.floating[Any]]] = {}
    for name, inputs, outputs in zip(names, widths[:-1], widths[1:], strict=True):
        limit = np.sqrt(6 / (inputs + outputs))
        head[f"{name}.kernel"] = random.uniform(-limit, limit, (inputs, outputs)).astype(np.float32)
        head[f"{name}.bias"] = np.zeros(outputs, np.float32)
    return head


def _digest(array: NDArray[Any]) -> str:
    plain = np.ascontiguousarray(array)
    text = f"{plain.dtype.name} {plain.shape} {hashlib.sha256(plain.data).hexdigest()}"
    return hashlib.sha256(text.encode()).hexdigest()
