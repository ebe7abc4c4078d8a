"""Step 3, network, in Keras: any model without its head, and a new head that is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.transfer.plan import Head, Training
from benchmarking.models.frameworks import Device, Framework
from benchmarking.pictures.recipe import Crops, Scaling

if TYPE_CHECKING:
    import keras

NAME = "keras"
TITLE = "Keras"
_LAYERS = ("hidden", "output")


def without_head(model: keras.Model, classes: int, side: int) -> keras.Model:
    """The model up to the input of its classifier: the last layer with an output for each class.

    Args:
        model: the model.
        classes: number of its classes.
        side: side of its input in pixels; the model knows it.

    Raises:
        BenchmarkError: there is no such layer.
    """
    import keras

    last = next((one for one in reversed(model.layers) if _gives_classes(one, classes)), None)
    if last is None:
        raise BenchmarkError(
            f"the model has no layer with one output for each of its {classes} classes, so its "
            "head cannot be taken off; choose another model."
        )
    features = last.input
    if len(features.shape) == 4:  # a convolution of one pixel, as in MobileNet
        features = keras.layers.GlobalAveragePooling2D()(features)
    inputs = model.inputs[0] if len(model.inputs) == 1 else model.inputs  # else calls warn
    backbone = keras.Model(inputs, features)
    backbone.trainable = False
    return backbone


def outputs(
    backbone: keras.Model, scaling: Scaling, device: Device, framework: Framework
) -> Callable[[Crops], NDArray[np.float32]]:
    """The backbone as a function of uint8 crops (n, h, w, 3) to features (n, features)."""
    return framework.predictor(backbone, scaling, device, "float32")


def tensors(model: keras.Model) -> dict[str, str]:
    """Sha256 of every tensor of a model by its path: weights, and statistics of layers."""
    import keras

    return {
        one.path: hashlib.sha256(
            np.ascontiguousarray(keras.ops.convert_to_numpy(one)).tobytes()
        ).hexdigest()
        for one in model.weights
    }


def new_head(training: Training, features: int, classes: int) -> keras.Sequential:
    """A head with Keras' own initial values, from its global generator."""
    import keras

    layers = [keras.Input((features,), dtype=training.precision)]
    if training.head:
        layers.append(
            keras.layers.Dense(
                training.head, activation="relu", name="hidden", dtype=training.precision
            )
        )
    layers.append(keras.layers.Dense(classes, name="output", dtype=training.precision))
    return keras.Sequential(layers, name="head")


def fill(head: keras.Sequential, values: Head) -> None:
    """Set the tensors of a head."""
    for layer in head.layers:
        layer.set_weights([values[f"{layer.name}.{part}"] for part in ("kernel", "bias")])


def read(head: keras.Sequential) -> dict[str, NDArray[np.floating[Any]]]:
    """The tensors of a head as `plan.Head` has them."""
    return {
        f"{layer.name}.{part}": np.array(value)
        for layer in head.layers
        for part, value in zip(("kernel", "bias"), layer.get_weights(), strict=True)
    }


def whole(backbone: keras.Model, head: keras.Sequential) -> keras.Model:
    """Backbone and head as one model from scaled pixels to logits."""
    import keras

    inputs = keras.Input(backbone.input_shape[1:])
    return keras.Model(inputs, head(backbone(inputs, training=False)))


class Learner:
    """A head that learns, step by step, as Keras trains it."""

    def __init__(
        self, training: Training, features: int, classes: int, seed: int, initial: Head
    ) -> None:
        """Make the head; with its own initial values, from the seed, if none are given."""
        import keras

        keras.utils.clear_session()  # else the graphs of all heads so far stay in memory
        keras.utils.set_random_seed(seed)
        # The mean of the losses and Adam's step size have this type, whatever that of the layers.
        keras.config.set_floatx(training.precision)
        self.training = training
        self.module = new_head(training, features, classes)
        if initial:
            fill(self.module, initial)
        self.module.compile(
            optimizer(training),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=training.precision),
        )

    def step(self, features: NDArray[Any], labels: NDArray[np.int64]) -> float:
        """Take one step on these pictures; return their mean cross-entropy before it."""
        self.module.reset_metrics()  # else it is the mean of all steps so far
        return float(self.module.train_on_batch(self._typed(features), labels))

    def epoch(self, features: NDArray[Any], labels: NDArray[np.int64]) -> Iterator[float]:
        """Take the steps of one epoch in the random order of Keras' own `fit`."""
        means = _Means()
        size = self.training.batch_size
        self.module.fit(
            self._typed(features),
            labels,
            batch_size=size,
            shuffle=True,
            verbose=0,
            callbacks=[means.callback()],
        )
        sizes = [min(size, len(labels) - start) for start in range(0, len(labels), size)]
        sums = np.cumsum(sizes) * np.array(means.found)
        yield from (np.diff(sums, prepend=0) / sizes).tolist()

    def logits(self, features: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Outputs of the head, (n, classes)."""
        import keras

        found = self.module(self._typed(features), training=False)
        return np.array(keras.ops.convert_to_numpy(found))

    def head(self) -> dict[str, NDArray[np.floating[Any]]]:
        """The tensors of the head."""
        return read(self.module)

    def _typed(self, features: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(features, dtype=self.training.precision)


class _Means:
    """The mean loss of an epoch after each of its steps, which Keras gives in place of losses."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def callback(self) -> keras.callbacks.Callback:
        import keras

        return keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda _, logs: self.found.append(float(logs["loss"]))
        )


def optimizer(training: Training) -> keras.optimizers.Optimizer:
    """The optimizer of a training; both names of Adam mean the class of Keras."""
    import keras

    if training.optimizer == "sgd":
        return keras.optimizers.SGD(training.learning_rate)
    own = {} if training.epsilon is None else {"epsilon": training.epsilon}
    return keras.optimizers.Adam(training.learning_rate, **own)


def _gives_classes(layer: keras.layers.Layer, classes: int) -> bool:
    return hasattr(layer, "kernel") and layer.output.shape[-1] == classes
