"""Frameworks, one module each: how a model of theirs is run, the same for every source.

A module has NAME, TITLE (the table's Platform), LIBRARY (what must be installed), EXTRA (which
installs it), EXECUTOR (how its jobs are isolated), BATCH_SIZES by kind of device ("cpu", "gpu"),
`prepare(gpu) -> Device`, `predictor(model, scaling, device) -> Predictor` and `versions()`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """Where a framework computes.

    Attributes:
        address: the framework's own name for it, such as "cuda:0".
        kind: "cpu" or "gpu".
        title: what it is, such as "NVIDIA H100 80GB HBM3".
    """

    address: str
    kind: str
    title: str
