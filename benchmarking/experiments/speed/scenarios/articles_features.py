"""Features of ResNet-50 for random arrays, of DeepLearningFrameworks (2018)."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.experiments.speed import Side, Trial, articles
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.predictions.speed_runs import Measured

NAME = "articles-features"
HELP = "ResNet-50 without its last layer on random arrays, batches of 32"


def sides(chosen: Sequence[Side]) -> Sequence[Side]:
    """The network in both frameworks, in the chosen modes."""
    return articles.sides_of(["resnet50-features"], chosen, articles.FORWARD_MODES)


def batch_sizes(asked: Sequence[int]) -> Sequence[int]:
    """The batch size of the published comparison, which timed 40 batches."""
    return (32,)


def measure(trial: Trial, clock: Clock) -> Measured:
    """Time forward passes; see `articles.measured_features`."""
    return articles.measured_features(articles.network_of(trial.side), trial, clock)
