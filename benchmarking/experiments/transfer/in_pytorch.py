"""Step 3, network, in PyTorch: any model without its head, and a new head that is trained."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.transfer.plan import Head, Training
from benchmarking.models.frameworks import Device, pytorch
from benchmarking.pictures.recipe import Crops, Scaling

if TYPE_CHECKING:
    import torch

NAME = "pytorch"
TITLE = "PyTorch"
KERAS_EPSILON = 1e-7
"""Default epsilon of keras.optimizers.Adam."""
_LAYERS = ("hidden", "output")


def without_head(model: torch.nn.Module, classes: int, side: int) -> torch.nn.Module:
    """The model with its classifier replaced by the identity, in evaluation mode.

    The classifier is every layer that a forward pass uses whose weights give one value for each
    class; distilled transformers have two. Dropout before it does nothing in evaluation mode.

    Args:
        model: the model, which is changed.
        classes: number of its classes.
        side: side of its input in pixels.

    Raises:
        BenchmarkError: no such layer is found, or the output is not one list of features.
    """
    import torch

    model.eval()
    found: dict[str, torch.nn.Module] = {}
    handles = [
        layer.register_forward_hook(lambda one, _, __, name=name: found.update({name: one}))
        for name, layer in model.named_modules()
        if _gives_classes(layer, classes)
    ]
    empty = torch.zeros(1, 3, side, side, device=_device(model))
    try:
        with torch.inference_mode():
            model(empty)
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise BenchmarkError(
            f"the model has no layer with one output for each of its {classes} classes, so its "
            "head cannot be taken off; choose another model."
        )
    for name in found:
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, torch.nn.Identity())
    with torch.inference_mode():
        shape = tuple(model(empty).shape)
    if len(shape) != 2:
        raise BenchmarkError(
            f"without {', '.join(found)}, the model gives an output of shape {shape}; expected "
            "one list of features for each picture."
        )
    return model


def outputs(
    backbone: torch.nn.Module, scaling: Scaling, device: Device
) -> Callable[[Crops], NDArray[np.float32]]:
    """The backbone as a function of uint8 crops (n, h, w, 3) to features (n, features)."""
    predictor: Any = pytorch.predictor(backbone, scaling, device)

    def features(crops: Crops) -> NDArray[np.float32]:
        found: NDArray[np.float32] = predictor.with_logits(crops)[1]  # the output before softmax
        return found

    return features


def tensors(model: torch.nn.Module) -> dict[str, str]:
    """Sha256 of every tensor of a model by its name: parameters, and statistics of layers."""
    return {
        name: hashlib.sha256(tensor.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
        for name, tensor in model.state_dict().items()
    }


def new_head(training: Training, features: int, classes: int) -> torch.nn.Sequential:
    """A head with PyTorch's own initial values, from its global generator."""
    import torch

    dtype = getattr(torch, training.precision)
    layers: OrderedDict[str, torch.nn.Module] = OrderedDict()
    width = features
    if training.head:
        layers["hidden"] = torch.nn.Linear(features, training.head, dtype=dtype)
        layers["relu"] = torch.nn.ReLU()
        width = training.head
    layers["output"] = torch.nn.Linear(width, classes, dtype=dtype)
    return torch.nn.Sequential(layers)


def fill(head: torch.nn.Sequential, values: Head) -> None:
    """Set the tensors of a head; kernels are transposed from (inputs, outputs)."""
    import torch

    with torch.no_grad():
        for name, value in values.items():
            layer, _, part = name.partition(".")
            parameter = getattr(head.get_submodule(layer), {"kernel": "weight"}.get(part, part))
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value.T)))


def read(head: torch.nn.Sequential) -> dict[str, NDArray[np.floating[Any]]]:
    """The tensors of a head as `plan.Head` has them."""
    found: dict[str, NDArray[np.floating[Any]]] = {}
    for layer in (name for name in _LAYERS if hasattr(head, name)):
        for part, own in (("kernel", "weight"), ("bias", "bias")):
            tensor = getattr(head.get_submodule(layer), own).detach().cpu().numpy()
            found[f"{layer}.{part}"] = tensor.T.copy()
    return found


def whole(backbone: torch.nn.Module, head: torch.nn.Module) -> torch.nn.Module:
    """Backbone and head as one model from scaled pixels to logits."""
    import torch

    return torch.nn.Sequential(OrderedDict(backbone=backbone, head=head))


class Learner:
    """A head that learns, step by step, as PyTorch trains it."""

    def __init__(
        self, training: Training, features: int, classes: int, seed: int, initial: Head
    ) -> None:
        """Make the head; with its own initial values, from the seed, if none are given."""
        import torch

        torch.manual_seed(seed)
        self.training = training
        self.module = new_head(training, features, classes)
        if initial:
            fill(self.module, initial)
        self.optimizer = optimizer(self.module, training)
        self._loss = torch.nn.CrossEntropyLoss()

    def step(self, features: NDArray[Any], labels: NDArray[np.int64]) -> float:
        """Take one step on these pictures; return their mean cross-entropy before it."""
        import torch

        return self._step(torch.from_numpy(self._typed(features)), torch.from_numpy(labels))

    def epoch(self, features: NDArray[Any], labels: NDArray[np.int64]) -> Iterator[float]:
        """Take the steps of one epoch in the random order of PyTorch's own loader."""
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        rows = TensorDataset(torch.from_numpy(self._typed(features)), torch.from_numpy(labels))
        for some, right in DataLoader(rows, self.training.batch_size, shuffle=True):
            yield self._step(some, right)

    def logits(self, features: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Outputs of the head, (n, classes)."""
        import torch

        with torch.inference_mode():
            found = self.module.eval()(torch.from_numpy(self._typed(features)))
        self.module.train()
        values: NDArray[np.floating[Any]] = found.numpy()
        return values

    def head(self) -> dict[str, NDArray[np.floating[Any]]]:
        """The tensors of the head."""
        return read(self.module)

    def _step(self, features: torch.Tensor, labels: torch.Tensor) -> float:
        self.optimizer.zero_grad()
        loss: torch.Tensor = self._loss(self.module(features), labels)
        loss.backward()
        self.optimizer.step()
        return float(loss.item())

    def _typed(self, features: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(features, dtype=self.training.precision)


def optimizer(module: torch.nn.Module, training: Training) -> torch.optim.Optimizer:
    """The optimizer of a training for the parameters of a module that are not frozen."""
    import torch

    parameters = [one for one in module.parameters() if one.requires_grad]
    if training.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=training.learning_rate)
    if training.optimizer == "own-adam":
        own = {} if training.epsilon is None else {"eps": training.epsilon}
        return torch.optim.Adam(parameters, lr=training.learning_rate, **own)
    return _keras_adam(parameters, training)


def _keras_adam(parameters: list[torch.nn.Parameter], training: Training) -> torch.optim.Optimizer:
    """Adam by the formula of Keras, operation by operation.

    PyTorch divides the second moment by its bias correction before it adds epsilon; Keras puts
    both corrections into the step size, so that its epsilon is another one at every step. Source:
    D. P. Kingma, J. Ba (2015), Adam, the end of section 2, as keras.optimizers.Adam has it.
    """
    import torch

    class KerasAdam(torch.optim.Optimizer):  # type: ignore[misc]
        def step(self, closure: Any = None) -> None:
            with torch.no_grad():
                for group in self.param_groups:
                    for parameter in group["params"]:
                        self._update(parameter, group)

        def _update(self, parameter: torch.nn.Parameter, group: dict[str, Any]) -> None:
            state, gradient = self.state[parameter], parameter.grad
            if not state:
                state["step"] = 0
                state["m"], state["v"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] += 1
            one, two = group["betas"]
            # Keras rounds its betas to float32, also in float64. The powers are rounded once:
            # 1 - power is small at first, and would have a large relative error.
            first, second = (
                torch.tensor(float(np.float32(beta)) ** state["step"], dtype=parameter.dtype)
                for beta in (one, two)
            )
            alpha = group["lr"] * torch.sqrt(1 - second) / (1 - first)
            m, v = state["m"], state["v"]
            m += (gradient - m) * (1 - one)
            v += (gradient.square() - v) * (1 - two)
            parameter -= m * alpha / (v.sqrt() + group["eps"])

    eps = KERAS_EPSILON if training.epsilon is None else training.epsilon
    defaults = {"lr": training.learning_rate, "betas": (0.9, 0.999), "eps": eps}
    return KerasAdam(parameters, defaults)


def _gives_classes(layer: torch.nn.Module, classes: int) -> bool:
    weight = layer._parameters.get("weight")
    return weight is not None and weight.ndim > 1 and weight.shape[0] == classes


def _device(model: torch.nn.Module) -> torch.device:
    import torch

    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device
