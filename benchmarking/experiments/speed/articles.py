"""The work of published comparisons of Keras and PyTorch, the same in both frameworks this time.

The initial weights, the pictures and the labels are the same arrays. The outputs before training
and the losses of the first steps, which are taken without dropout, are recorded, so that a
difference of the work shows. What the frameworks may choose, such as their own layers, optimiser
and training step, is theirs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed import Side, Trial
from benchmarking.experiments.speed.accelerator import device_clock
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.experiments.speed.timing import Pace, fetched, timed
from benchmarking.models import article_networks
from benchmarking.models.article_networks import Arrays, Network
from benchmarking.models.frameworks import Device
from benchmarking.models.sources import framework_of
from benchmarking.models.spec import ModelSpec, Weights
from benchmarking.predictions.speed_runs import Answers, Measured

SOURCES = {"pytorch": "articles-pytorch", "keras": "articles-keras"}
"""The source in the names of the sides, by framework; `models` does not list them."""

TRAINING_MODES = ("eager", "compiled")
"""Keras does not train with XLA where deterministic operations are required, as they are here."""

FORWARD_MODES = (*TRAINING_MODES, "xla")

LAYOUTS = {"pytorch": "NCHW in the memory order NHWC (channels_last)", "keras": "NHWC"}
"""Layouts of the pictures in memory, the same for all frameworks."""

RATE, MOMENTUM = 0.01, 0.9
"""Of stochastic gradient descent, as in DeepLearningFrameworks."""

LARGE_SIDE = 299
"""Side of the pictures, in pixels, with which the large networks were trained."""

LOSSES = 5
"""Steps whose losses are compared."""

_FEATURES = "-features"
_SEED = 2018
_BATCHES = 8  # pictures of as many batches are made once, and then come again

Array = NDArray[Any]

Call = Callable[[int], object]
"""One call of the work, on the batch of this number; it returns its output."""


@dataclass(frozen=True, eq=False)
class Work:
    """A network with what it is given.

    Attributes:
        network: the network.
        weights: its initial weights.
        pictures: batches of random pictures, (batches, n, side, side, 3), float32 in [0, 1).
        labels: random classes of the pictures, (batches, n).
    """

    network: Network
    weights: Arrays
    pictures: NDArray[np.float32]
    labels: NDArray[np.int64]


def sides_of(
    names: Sequence[str], chosen: Sequence[Side], modes: Sequence[str] = TRAINING_MODES
) -> list[Side]:
    """The sides of networks in both frameworks, in those of the chosen modes that can be measured.

    Args:
        names: names of the networks.
        chosen: the sides that the user asked for: their modes count. If the name of one of their
            models is that of a network, such as keras/ResNet50, only such networks are measured.
        modes: the modes that can be measured; "xla" is one of Keras.
    """
    asked = {_plain(side.spec.name) for side in chosen}
    kept = [name for name in names if _plain(name) in asked] or list(names)
    wanted = {side.mode for side in chosen}
    return [
        Side(spec_of(name, framework), mode, network=name)
        for name in kept
        for framework in SOURCES
        for mode in modes
        if mode in wanted and (framework, mode) != ("pytorch", "xla")
    ]


def network_of(side: Side) -> Network:
    """The network of a side of these scenarios.

    Raises:
        KeyError: there is no such network.
    """
    name = side.network
    if side.spec.source not in SOURCES.values():
        raise KeyError(name)
    if name.endswith(_FEATURES):
        return article_networks.NETWORKS[name.removesuffix(_FEATURES)]().without_head()
    make = article_networks.NETWORKS[name]
    is_small = name in (article_networks.CONVNET.name, article_networks.VGG.name)
    return make() if is_small else make(LARGE_SIDE)


def work_of(network: Network, trial: Trial, batches: int = _BATCHES) -> Work:
    """The network with weights, pictures and labels that depend on nothing but their seeds."""
    random = np.random.default_rng(_SEED)
    shape = (batches, trial.batch_size, network.side, network.side, 3)
    classes = network.nodes[-1].after[-1]
    seed = _SEED if trial.options.seed is None else trial.options.seed
    return Work(
        network,
        article_networks.initial_weights(network, seed),
        random.random(shape, dtype=np.float32),
        random.integers(0, classes, shape[:2]),
    )


def measured_training(network: Network, trial: Trial, clock: Clock) -> Measured:
    """Time steps of training: forward, backward and update; afterwards, record losses.

    Raises:
        BenchmarkError: the side cannot be measured.
    """
    work, device = work_of(network, trial), prepare(trial)
    make = _MAKERS[trial.side.spec.framework]
    _, step = make(work, trial.side.mode, device)
    found = _timed(step, trial, clock, device)
    del step  # with its model, before the next one is made
    predict, step = make(replace(work, network=network.without_dropout()), trial.side.mode, device)
    answers = answers_of(np.asarray(fetched(predict(0))))
    losses = tuple(float(np.asarray(fetched(step(number)))) for number in range(LOSSES))
    return replace(found, losses=losses, answers=answers, facts=_facts(trial, device))


def measured_features(network: Network, trial: Trial, clock: Clock) -> Measured:
    """Time the outputs of a network for batches of random pictures, as it predicts.

    Raises:
        BenchmarkError: the side cannot be measured.
    """
    work, device = work_of(network, trial), prepare(trial)
    predict, _ = _MAKERS[trial.side.spec.framework](work, trial.side.mode, device)
    found = _timed(predict, trial, clock, device)
    answers = answers_of(np.asarray(fetched(predict(0))))
    return replace(found, answers=answers, facts=_facts(trial, device))


def _timed(call: Call, trial: Trial, clock: Clock, device: Device) -> Measured:
    """Time calls, each on the next batch."""
    numbers = itertools.cycle(range(_BATCHES))
    return timed(
        *(lambda: call(next(numbers)), clock, Pace(trial.options.seconds), trial.batch_size),
        device=device_clock(trial.side.spec, device),
    )


def _facts(trial: Trial, device: Device) -> dict[str, str]:
    return {"layout": LAYOUTS[trial.side.spec.framework], "device": device.title}


def prepare(trial: Trial) -> Device:
    """Set up the framework in this process, as `predict` does.

    Raises:
        BenchmarkError: another precision than float32 is asked for, or there is no such GPU.
    """
    if trial.options.precision not in (None, "float32"):
        raise BenchmarkError(
            f"the work of the articles is in float32, not {trial.options.precision}; leave out "
            "the precision."
        )
    return framework_of(trial.side.spec).prepare(trial.options.gpu, "float32")


def answers_of(outputs: Array) -> Answers:
    """The five largest outputs of each picture, as shares of the largest |output| of all.

    Random weights give no meaningful probabilities, and shares of the largest show more of a
    difference than nearly equal probabilities would.
    """
    order = np.argsort(-outputs, axis=1, kind="stable")[:, :5]
    shares = np.take_along_axis(outputs, order, 1) / np.abs(outputs).max()
    return Answers(
        tuple(f"random {row + 1}" for row in range(len(outputs))),
        tuple(tuple(int(one) for one in row) for row in order),
        tuple(tuple(float(one) for one in row) for row in shares),
    )


def _in_pytorch(work: Work, mode: str, device: Device) -> tuple[Call, Call]:
    """The network in PyTorch: its outputs for a batch, and a step of training on a batch."""
    import torch

    model = article_networks.in_pytorch(work.network, work.weights)
    model = model.to(device.address, memory_format=torch.channels_last)
    called: Any = torch.compile(model) if mode == "compiled" else model
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)

    def pixels(number: int) -> torch.Tensor:
        return torch.from_numpy(work.pictures[number]).permute(0, 3, 1, 2).to(device.address)

    def predict(number: int) -> torch.Tensor:
        if model.training:
            model.eval()
        with torch.inference_mode():
            found: torch.Tensor = called(pixels(number))
            return found

    def step(number: int) -> torch.Tensor:
        if not model.training:
            model.train()
        right = torch.from_numpy(work.labels[number]).to(device.address)
        loss = torch.nn.functional.cross_entropy(called(pixels(number)), right)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return predict, step


def _in_keras(work: Work, mode: str, device: Device) -> tuple[Call, Call]:
    """The network in Keras: its outputs for a batch, and a step of training on a batch."""
    import keras
    import tensorflow as tf

    with tf.device(device.address):
        model = article_networks.in_keras(work.network, work.weights)
    model.compile(
        optimizer=keras.optimizers.SGD(RATE, MOMENTUM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=mode == "eager",
        jit_compile=False,
    )

    def call(pixels: Any) -> Any:
        return model(pixels, training=False)

    called: Any = call if mode == "eager" else tf.function(call, jit_compile=mode == "xla")

    def predict(number: int) -> Any:
        with tf.device(device.address):
            return called(tf.constant(work.pictures[number]))

    def step(number: int) -> Any:
        with tf.device(device.address):
            return model.train_on_batch(work.pictures[number], work.labels[number])

    return predict, step


_MAKERS: dict[str, Callable[[Work, str, Device], tuple[Call, Call]]] = {
    "pytorch": _in_pytorch,
    "keras": _in_keras,
}


def spec_of(name: str, framework: str) -> ModelSpec:
    """What names a network in one framework; its weights are random."""
    return ModelSpec(
        SOURCES[framework],
        name,
        framework,
        Weights("random", ""),
        recipes={},
        parameters=0,
    )


def _plain(name: str) -> str:
    """A name without case and punctuation: "ResNet50" and "resnet-50" are the same network."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
