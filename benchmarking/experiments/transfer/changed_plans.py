"""A head whose plan is that of the protocol "same" but for its first tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarking.experiments.transfer.heads import HeadTest
from benchmarking.experiments.transfer.plan import Training, TrainingPlan

Initial = Literal["glorot", "pytorch"]
"""The initial head: after Glorot, as in the protocol "same"; or as PyTorch's layers draw it."""


@dataclass(frozen=True)
class ChangedTest(HeadTest):
    """A head that begins in another way.

    Attributes:
        initial: how.
    """

    initial: Initial = "glorot"

    def plan(self, features: int) -> TrainingPlan:
        """Its plan for so many features."""
        plan = super().plan(features)
        if self.initial == "glorot":
            return plan
        random = np.random.default_rng(self.seed)
        head = initial_of_pytorch(random, self.training, features, self.classes)
        return replace(plan, initial=head)


def initial_of_pytorch(
    random: np.random.Generator, training: Training, features: int, classes: int
) -> dict[str, NDArray[np.float32]]:
    """Tensors of a new head as `torch.nn.Linear` draws them: kernels and biases uniform.

    The limit of both is 1 / sqrt(inputs): Kaiming's uniform with a = sqrt(5), by its source.
    """
    widths = [features, *([training.head] if training.head else []), classes]
    names = (["hidden"] if training.head else []) + ["output"]
    head = {}
    for name, inputs, outputs in zip(names, widths[:-1], widths[1:], strict=True):
        limit = 1 / math.sqrt(inputs)
        for part, shape in (("kernel", (inputs, outputs)), ("bias", (outputs,))):
            head[f"{name}.{part}"] = random.uniform(-limit, limit, shape).astype(np.float32)
    return head
