"""The small ConvNet of "Keras or PyTorch as your first deep learning framework", trained."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.experiments.speed import Side, Trial, articles
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.models.article_networks import CONVNET
from benchmarking.predictions.speed_runs import Measured

NAME = "articles-convnet"
HELP = "steps of training of the articles' ConvNet of 11,290 parameters, batches of 32"


def sides(chosen: Sequence[Side]) -> Sequence[Side]:
    """The network in both frameworks, in the chosen modes."""
    return articles.sides_of([CONVNET.name], chosen)


def batch_sizes(asked: Sequence[int]) -> Sequence[int]:
    """The batch size of the article."""
    return (32,)


def measure(trial: Trial, clock: Clock) -> Measured:
    """Time steps of training; see `articles.measured_training`."""
    return articles.measured_training(CONVNET, trial, clock)
