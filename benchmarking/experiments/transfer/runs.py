"""Trained heads on disk: plan, losses of every step, head before and after, probabilities.

{folder}/heads/{task}/{protocol}/{source}/{model}.{framework}.{seed}.{digest}.safetensors

A file is used only for the request that is written in it, and only if its head began as its plan
says. So a head of another plan, task or model is never shown in the place of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarking.errors import StoreError
from benchmarking.experiments.transfer.features import digest_of
from benchmarking.experiments.transfer.plan import Trained, TrainingPlan
from benchmarking.predictions import array_file
from benchmarking.predictions.run_index import refuse_links

FORMAT = 1


@dataclass(frozen=True)
class Request:
    """A head to train, and all that its result depends on.

    Attributes:
        task: name of the task.
        protocol: name of the protocol.
        source: source of the model.
        model: name of the model in its source.
        framework: name of the framework or library that trains the head.
        seed: the seed.
        made_from: everything else, as names, numbers, digests, lists and objects.
    """

    task: str
    protocol: str
    source: str
    model: str
    framework: str
    seed: int
    made_from: Mapping[str, Any]

    @property
    def document(self) -> dict[str, Any]:
        """The request as it is stored."""
        return {**vars(self), "made_from": dict(self.made_from)}

    def path(self, folder: Path) -> Path:
        """Path of its file in the folder of all heads, which need not exist."""
        digest = digest_of(self.document)[:16]
        name = f"{self.model}.{self.framework}.{self.seed}.{digest}.safetensors"
        return folder / "heads" / self.task / self.protocol / self.source / name


def write(folder: Path, request: Request, plan: TrainingPlan, trained: Trained) -> Path:
    """Store a trained head; return its path.

    Raises:
        BenchmarkError: it cannot be written, or its place is behind a link.
    """
    arrays = {
        "losses": trained.losses,
        "epochs": trained.epochs,
        "probabilities": trained.probabilities,
        "plan.rows": plan.rows,
        "plan.versions": plan.versions,
        **{f"before.{name}": value for name, value in trained.before.items()},
        **{f"after.{name}": value for name, value in trained.after.items()},
    }
    document = {
        "format": FORMAT,
        "request": request.document,
        "plan": {**plan.document, "sha256": plan.digest},
        "changed": list(trained.changed),
        "tensors": trained.tensors,
        "versions": dict(trained.versions),
        "seconds": trained.seconds,
        "notes": dict(trained.notes),
    }
    path = request.path(folder)
    refuse_links(path, folder)
    array_file.ArrayFile(document, arrays).write(path)
    return path


def read(path: Path, request: Request, plan_for: Callable[[int], TrainingPlan]) -> Trained:
    """Read a trained head.

    Args:
        path: its file.
        request: what it must have been trained for.
        plan_for: the plan that it must have followed, for so many features.

    Raises:
        StoreError: it does not exist, is damaged, or is the head of another request or plan; the
            message names the file.
    """
    import msgspec

    held = array_file.read(path, {"format": FORMAT, "request": request.document})
    arrays = held.arrays
    with array_file.whole(path):
        before = _part(arrays, "before.")
        first = before.get("hidden.kernel", before.get("output.kernel"))
        _refuse_other_plan(path, plan_for(0 if first is None else len(first)), held)
        facts = msgspec.convert(held.document, _Facts)
        return Trained(
            losses=arrays["losses"],
            before=before,
            after=_part(arrays, "after."),
            probabilities=arrays["probabilities"],
            changed=facts.changed,
            tensors=facts.tensors,
            versions=facts.versions,
            seconds=facts.seconds,
            epochs=arrays["epochs"],
            notes=facts.notes,
        )


@dataclass(frozen=True)
class _Facts:
    """The facts in the file of a head; see `Trained`."""

    changed: tuple[str, ...]
    tensors: int
    versions: Mapping[str, str]
    seconds: float
    notes: Mapping[str, float]


def _refuse_other_plan(path: Path, plan: TrainingPlan, held: array_file.ArrayFile) -> None:
    """Refuse a head whose recorded plan, order of pictures or first tensors are not the plan's."""
    arrays = held.arrays
    before = _part(arrays, "before.")
    is_same = held.document["plan"]["sha256"] == plan.digest and all(
        np.array_equal(one, other)
        for one, other in (
            (arrays["plan.rows"], plan.rows),
            (arrays["plan.versions"], plan.versions),
            *((before.get(name, ()), value) for name, value in plan.initial.items()),
        )
    )
    if not is_same:
        raise StoreError(
            f"{path} holds a head that another plan has trained (seed "
            f"{held.document['plan']['seed']}); it is not used. Remove it, or name another store."
        )


def _part(arrays: Mapping[str, Any], start: str) -> dict[str, Any]:
    return {name.removeprefix(start): one for name, one in arrays.items() if name.startswith(start)}
