"""A small network trained whole by one plan, in each framework: the proof that both do the same.

In float64 the losses of PyTorch and Keras differ by rounding only, below 1e-12 at every step. In
float32 they drift apart, because ReLU and pooling turn a last bit into another path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.experiments import in_fresh_processes
from benchmarking.experiments.transfer import in_keras, in_pytorch
from benchmarking.experiments.transfer.plan import Training, TrainingPlan
from benchmarking.models import article_networks
from benchmarking.models.article_networks import CLASSES, INPUT, Network


@dataclass(frozen=True, eq=False)
class WholeTest:
    """One training of a whole network in one framework.

    Attributes:
        framework: "pytorch" or "keras".
        network: the network; one with dropout draws random numbers, which no plan can share.
        plan: the initial weights and the order of the pictures.
        pixels: the pictures, (n, 32, 32, 3), uint8; they are divided by 255.
        labels: class of each picture, (n,), below CLASSES.

    Raises:
        BenchmarkError: the network has dropout, or the pictures do not fit it.
    """

    framework: str
    network: Network
    plan: TrainingPlan
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.network != self.network.without_dropout():
            raise BenchmarkError(
                f"{self.network.name} has dropout, whose random numbers differ in each framework; "
                "train it without_dropout()."
            )
        if self.pixels.shape != (len(self.labels), *INPUT):
            raise BenchmarkError(
                f"pixels have shape {self.pixels.shape}; expected {(len(self.labels), *INPUT)}."
            )
        if not ((self.labels >= 0) & (self.labels < CLASSES)).all():
            raise BenchmarkError(f"labels must be from 0 to {CLASSES - 1}.")


@dataclass(frozen=True, eq=False)
class WholeTrained:
    """A trained network.

    Attributes:
        framework: the framework.
        losses: mean cross-entropy of each step's pictures before the step, (steps,).
        weights: its weights after the last step, in the layout of `article_networks`.
    """

    framework: str
    losses: NDArray[np.float64]
    weights: Mapping[str, NDArray[Any]]


def whole_plan(network: Network, training: Training, n: int, seed: int) -> TrainingPlan:
    """A plan for all weights of a network.

    Args:
        network: the network.
        training: how it is trained; its width of a head is not used.
        n: number of pictures.
        seed: seed of the initial weights and of the order of the pictures.
    """
    random = np.random.default_rng(seed)
    return TrainingPlan(
        "whole",
        seed,
        training,
        CLASSES,
        article_networks.initial_weights(network, seed, training.precision),
        np.stack([random.permutation(n) for _ in range(training.epochs)]),
        np.zeros(training.epochs, np.int64),
    )


def compared(
    network: Network, plan: TrainingPlan, pixels: NDArray[np.uint8], labels: NDArray[np.int64]
) -> tuple[WholeTrained, WholeTrained]:
    """Train the network by the plan in PyTorch and in Keras, each in a process of its own.

    Raises:
        BenchmarkError: see `WholeTest`; or a training failed.
    """
    tests = [WholeTest(name, network, plan, pixels, labels) for name in ("pytorch", "keras")]
    found = in_fresh_processes(f"training {network.name}", trained, tests, 1)
    by_name = {one.framework: one for one in found}
    return by_name["pytorch"], by_name["keras"]


def trained(test: WholeTest) -> Iterator[WholeTrained]:
    """Train a network in this process."""
    step, weights = _LEARNERS[test.framework](test)
    pixels = (test.pixels / 255).astype(test.plan.training.precision)
    losses = [step(pixels[rows], test.labels[rows]) for _, rows in test.plan.steps]
    yield WholeTrained(test.framework, np.array(losses), weights())


Step = Callable[[NDArray[Any], NDArray[np.int64]], float]
Weights = Callable[[], Mapping[str, NDArray[Any]]]


def _in_pytorch(test: WholeTest) -> tuple[Step, Weights]:
    import torch

    model = article_networks.in_pytorch(test.network, test.plan.initial)
    optimizer = in_pytorch.optimizer(model, test.plan.training)
    loss_of = torch.nn.CrossEntropyLoss()

    def step(pixels: NDArray[Any], labels: NDArray[np.int64]) -> float:
        channels_first = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
        optimizer.zero_grad()
        loss = loss_of(model(channels_first), torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step, partial(article_networks.from_pytorch, test.network, model)


def _in_keras(test: WholeTest) -> tuple[Step, Weights]:
    import keras

    training = test.plan.training
    keras.config.set_floatx(training.precision)  # the type of the mean loss and of Adam's step size
    model = article_networks.in_keras(test.network, test.plan.initial)
    model.compile(
        in_keras.optimizer(training),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=training.precision),
    )

    def step(pixels: NDArray[Any], labels: NDArray[np.int64]) -> float:
        model.reset_metrics()  # else it is the mean of all steps so far
        return float(model.train_on_batch(pixels, labels))

    return step, partial(article_networks.from_keras, test.network, model)


_LEARNERS: Mapping[str, Callable[[WholeTest], tuple[Step, Weights]]] = {
    "pytorch": _in_pytorch,
    "keras": _in_keras,
}
