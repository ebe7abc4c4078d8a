"""Training of five large networks on random pictures, of Wrosiński (2019)."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.experiments.speed import Side, Trial, articles
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.predictions.speed_runs import Measured

NAME = "articles-training"
HELP = "steps of training of Inception, ResNet-50 and DenseNet at 299 pixels, batches of 8"

NAMES = ("inceptionv3", "resnet50", "densenet121", "densenet169", "inceptionresnetv2")


def sides(chosen: Sequence[Side]) -> Sequence[Side]:
    """The five networks, or those that were chosen, in both frameworks and the chosen modes."""
    return articles.sides_of(NAMES, chosen)


def batch_sizes(asked: Sequence[int]) -> Sequence[int]:
    """The smallest batch size of the published comparison, which had 8 to 32."""
    return (8,)


def measure(trial: Trial, clock: Clock) -> Measured:
    """Time steps of training; see `articles.measured_training`."""
    return articles.measured_training(articles.network_of(trial.side), trial, clock)
