"""The VGG for CIFAR-10 of DeepLearningFrameworks (2017 and 2018), trained."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.experiments.speed import Side, Trial, articles
from benchmarking.experiments.speed.scenarios import Clock
from benchmarking.models.article_networks import VGG
from benchmarking.predictions.speed_runs import Measured

NAME = "articles-vgg"
HELP = "steps of training of the VGG of 3,441,592 parameters, batches of 64, with dropout"

STEPS_OF_AN_EPOCH = 50_000 // 64
"""Full batches of CIFAR-10's training pictures; the published times are of ten epochs."""


def sides(chosen: Sequence[Side]) -> Sequence[Side]:
    """The network in both frameworks, in the chosen modes."""
    return articles.sides_of([VGG.name], chosen)


def batch_sizes(asked: Sequence[int]) -> Sequence[int]:
    """The batch size of the published comparison."""
    return (64,)


def measure(trial: Trial, clock: Clock) -> Measured:
    """Time steps of training; see `articles.measured_training`."""
    return articles.measured_training(VGG, trial, clock)
