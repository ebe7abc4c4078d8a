"""Size and work of what was measured, counted once for each model: parameters and multiply-adds.

A listed model is counted in a process of its own, after the rounds, so that neither its times nor
its memory change. A network of the articles is counted from its layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict

from benchmarking.errors import BenchmarkError, OutOfMemory
from benchmarking.experiments.speed import Side, Trial
from benchmarking.experiments.speed.articles import network_of
from benchmarking.models.article_networks.size import counts_of_layers
from benchmarking.models.counts import Counts, counts_of
from benchmarking.models.frameworks import NO_GPU
from benchmarking.models.loaded import load
from benchmarking.models.sources import framework_of
from benchmarking.predictions.speed_store import SpeedStore

_COUNTED = ("pytorch", "keras", "keras-jax", "keras-torch")
"""Frameworks whose models can be counted."""


def to_count(todo: Sequence[Trial], store: SpeedStore) -> list[Trial]:
    """A trial of each model that can be counted and was not.

    Raises:
        StoreError: the file of counts is broken.
    """
    known = store.counts()
    found = {
        trial.side.spec.full_name: trial
        for trial in reversed(todo)
        if trial.side.spec.framework in _COUNTED and not trial.side.network
    }
    return [trial for name, trial in found.items() if name not in known]


def counted(trial: Trial) -> Iterator[Mapping[str, int]]:
    """The counts of a model, which is loaded here without its weights; {} if it has none."""
    spec = trial.side.spec
    loaded = load(spec, NO_GPU, seed=0)
    try:
        found = counts_of(loaded, spec.recipe("published").crop)
    except OutOfMemory:  # it may be counted another time
        raise
    except BenchmarkError:  # it computes what is not known here
        yield {}
    else:
        yield asdict(found)


def sizes(sides: Sequence[Side], store: SpeedStore) -> dict[str, Counts]:
    """The counts of the models of sides by their full names, as far as they are known.

    Raises:
        StoreError: the file of counts is broken.
    """
    found = {name: Counts(**values) for name, values in store.counts().items() if values}
    for side in sides:
        if side.network:
            with suppress(KeyError):  # a network of a plug-in's scenario
                found[side.spec.full_name] = counts_of_layers(network_of(side))
    return found


def in_words(sides: Sequence[Side], found: Mapping[str, Counts]) -> list[str]:
    """A sentence for each size, with the frameworks that have it; they should be all."""
    titles: dict[Counts, dict[str, None]] = {}
    for side in sides:
        if counts := found.get(side.spec.full_name):
            titles.setdefault(counts, {})[framework_of(side.spec).TITLE] = None
    return [
        f"Size in {', '.join(names)}: {one.trainable:,} trainable parameters and "
        f"{one.not_trainable:,} others; {one.macs:,} MACs for one picture."
        for one, names in titles.items()
    ]
