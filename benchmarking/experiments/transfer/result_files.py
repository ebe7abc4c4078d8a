"""Steps 5 and 6 for a result of a sweep: its head or whole model in a file, and its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarking.errors import BenchmarkError
from benchmarking.experiments import in_fresh_processes
from benchmarking.experiments.transfer.article import ArticleTest
from benchmarking.experiments.transfer.exports import (
    EXPORT_SUFFIXES,
    ExportTest,
    check_format,
    export,
)
from benchmarking.experiments.transfer.head_files import HEAD_SUFFIXES, HeadFile, saved
from benchmarking.experiments.transfer.networks import network_of
from benchmarking.experiments.transfer.shown import MOST, predictions_sheet
from benchmarking.experiments.transfer.sweep import Result
from benchmarking.pictures.recipe import Preprocessing
from benchmarking.reports.figures import Drawing

SUFFIXES = (*EXPORT_SUFFIXES, *(one for one in HEAD_SUFFIXES if one not in EXPORT_SUFFIXES))
"""Suffixes of files: first those of whole models, then those of heads."""

_COMPARED = 8  # pictures on which a file must give the same answers


def the_result(results: Sequence[Result]) -> Result:
    """The result of the only task and model: its own framework's head, with the first seed.

    Raises:
        BenchmarkError: there are several tasks or models.
    """
    names = dict.fromkeys((one.work.task.name, one.work.model.spec.full_name) for one in results)
    if len(names) > 1:
        listed = ", ".join(f"{model} on {task}" for task, model in list(names)[:4])
        raise BenchmarkError(
            f"a file holds one trained model, and there are {len(names)} ({listed}); name one "
            "model and one pair of folders."
        )
    own = network_of(results[0].work.model.spec).NAME
    return next((one for one in results if one.work.framework == own), results[0])


def predictions_of(result: Result, most: int = MOST) -> Drawing:
    """Validation pictures with the predictions of a trained head; see `shown`."""
    work = result.work
    about = f"{work.model.spec.full_name} on {work.task.name}"
    return predictions_sheet(
        work.task.validation.pictures,
        work.task.classes,
        result.trained.probabilities,
        about=about,
        most=most,
    )


def check_suffix(path: Path) -> None:
    """Raise BenchmarkError if no format of a head or a model has the path's suffix."""
    if path.suffix.lower() not in SUFFIXES:
        raise BenchmarkError(
            f"{path} has no known suffix; expected {', '.join(EXPORT_SUFFIXES)} for the whole "
            f"model, or {', '.join(SUFFIXES[len(EXPORT_SUFFIXES) :])} for its head."
        )


def save_result(result: Result, path: Path) -> str:
    """Write the whole model (.pt2, .onnx, .keras), or its head (.safetensors, .pt).

    Returns:
        What was written and checked, in one line.

    Raises:
        BenchmarkError: the model's framework does not write this format, a library is missing, or
            the file does not give the same bits or answers.
    """
    check_suffix(path)
    work, head = result.work, result.trained.after
    if path.suffix.lower() not in EXPORT_SUFFIXES:
        facts = {"classes": list(work.task.classes), **work.request.document}
        (message,) = in_fresh_processes(
            f"saving {path.name}", saved, [HeadFile(path, head, facts)], 1
        )
        return str(message)
    if result.trained.changed:
        raise BenchmarkError(
            f"training has changed {len(result.trained.changed)} of the backbone's tensors, which "
            "are not stored, so the whole model cannot be written; use another protocol."
        )
    pictures = work.task.validation.pictures
    rows = [row * len(pictures) // _COMPARED for row in range(_COMPARED)]
    test = ExportTest(
        work.model,
        _recipe(result),
        head,
        work.task.classes,
        tuple(pictures[row] for row in rows),
        result.trained.probabilities[rows],
        path,
    )
    check_format(test)
    return str(export(test))


def _recipe(result: Result) -> Preprocessing:
    """The preprocessing of the validation pictures."""
    test = result.work.test
    return test.recipe if isinstance(test, ArticleTest) else test.validation.recipe
