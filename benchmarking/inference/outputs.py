"""The outputs of a model as probabilities; models give logits or probabilities."""

from __future__ import annotations

import numpy as np

from benchmarking.errors import BenchmarkError
from benchmarking.models.signatures import check_classes
from benchmarking.models.spec import (
    Logits,
    Predictor,
    PredictorWithLogits,
    Probabilities,
    Scores,
)
from benchmarking.pictures.recipe import Crops
from benchmarking.predictions.output_kinds import LEAST_OF_LOGITS, softmax
from benchmarking.predictions.top_k import check_probabilities

_SUM = 1e-3
"""Largest distance from 1 of the sum of probabilities, of which some have half precision."""
_LIMIT = 1 + 1e-5
"""Largest probability; a softmax can exceed 1 by a rounding error."""


class ProbabilitiesOf:
    """Converts batches of outputs to probabilities; all batches are what the first one is.

    Outputs that are not negative and sum to one are probabilities. Outputs with negative values are
    logits, or logarithms of probabilities; softmax is right for both. All others are refused:
    outputs of sigmoids, percentages, or probabilities with errors.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._are_logits: bool | None = None

    def __call__(self, outputs: Scores, n: int) -> Probabilities:
        """Probabilities of n pictures.

        Raises:
            BenchmarkError: the outputs have another shape, contain NaN, or are neither logits nor
                probabilities.
        """
        check_classes(outputs.shape, self._classes)
        if len(outputs) != n:
            raise BenchmarkError(
                f"the model gave {len(outputs)} outputs for {n} pictures; expected one for each."
            )
        if not n:
            return outputs
        _refuse_nan(outputs)
        if self._are_logits is None:
            self._are_logits = _are_logits(outputs)
        if self._are_logits:
            return softmax(outputs.astype(np.float64)).astype(np.float32)
        _check_distribution(outputs)
        return outputs

    def with_logits(self, predictor: Predictor, crops: Crops) -> tuple[Probabilities, Logits]:
        """Probabilities and logits of crops; of bare probabilities, their logarithms.

        The logarithm of a probability of zero is -infinity.

        Raises:
            BenchmarkError: see `__call__`.
        """
        if isinstance(predictor, PredictorWithLogits):
            outputs, logits = predictor.with_logits(crops)
            return self(outputs, len(crops)), logits
        outputs = predictor(crops)
        probabilities = self(outputs, len(crops))
        if self._are_logits:
            return probabilities, outputs
        with np.errstate(divide="ignore"):
            return probabilities, np.log(outputs)


def _refuse_nan(outputs: Scores) -> None:
    wrong = ~np.isfinite(outputs)
    if wrong.any():
        rows = np.flatnonzero(wrong.any(axis=1))
        raise BenchmarkError(
            f"the model's output contains NaN or infinity for {rows.size} of {len(outputs)} "
            f"pictures of a batch; the first is picture {rows[0]} of the batch. Are its weights "
            "intact, and does half precision overflow?"
        )


def _are_logits(outputs: Scores) -> bool:
    """Whether outputs are logits; otherwise they are probabilities.

    Raises:
        BenchmarkError: they are neither.
    """
    low, high = float(outputs.min()), float(outputs.max())
    sums = outputs.sum(axis=1, dtype=np.float64)
    least, most = float(sums.min()), float(sums.max())
    if low >= 0 and high <= _LIMIT and least >= 1 - _SUM and most <= 1 + _SUM:
        return False
    if low < LEAST_OF_LOGITS:
        return True
    raise BenchmarkError(
        f"the model's outputs are neither probabilities nor logits: values from {low:.4g} to "
        f"{high:.4g}, and the rows sum to {least:.4g} to {most:.4g}. Probabilities sum to 1, and "
        "logits have negative values; sigmoids, percentages and scores after ReLU are neither. If "
        "these are logits, subtract a constant, which changes no probability."
    )


def _check_distribution(probabilities: Probabilities) -> None:
    try:
        check_probabilities(probabilities)
    except BenchmarkError as error:
        raise BenchmarkError(
            f"the model's output is no probabilities: {error} Expected the output of softmax."
        ) from error
    off = float(np.abs(probabilities.sum(axis=1) - 1).max())
    if off > _SUM:
        raise BenchmarkError(
            f"the model's output sums to one only within {off:.3g}; expected softmax probabilities."
        )
