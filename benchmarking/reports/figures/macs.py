"""Accuracy against the multiply-adds of a forward pass, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.reports.figures import Content
from benchmarking.reports.figures._front import against_cost, of_model
from benchmarking.reports.figures._subject import Subject

NAME = "macs"
TITLE = "Accuracy against multiply-adds"


def content(subjects: Sequence[Subject]) -> Content:
    """Accuracy against 10^9 multiply-adds at the published crop size."""
    return against_cost(
        *(subjects, NAME, "multiply-adds of one picture, in billions", "multiply-adds"),
        cost=of_model(lambda spec: spec.gigamacs),
    )
