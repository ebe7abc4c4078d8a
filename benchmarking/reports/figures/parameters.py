"""Accuracy against the number of parameters, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.reports.figures import Content
from benchmarking.reports.figures._front import against_cost, of_model
from benchmarking.reports.figures._subject import Subject

NAME = "parameters"
TITLE = "Accuracy against the number of parameters"


def content(subjects: Sequence[Subject]) -> Content:
    """Accuracy against millions of parameters."""
    return against_cost(
        *(subjects, NAME, "parameters, in millions", "parameters"),
        cost=of_model(lambda spec: round(spec.parameters / 1e6, 6)),
    )
