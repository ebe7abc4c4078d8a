"""The document of `compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from benchmarking.reports.documents import RunName, named
from benchmarking.scoring.compare import ClassChange, Pair


@dataclass(frozen=True)
class ComparedPair:
    """Two runs on the same pictures.

    Attributes:
        first: a run, A in the text of the command.
        second: another run, B in the text of the command.
        n: number of pictures.
        both_right: number of pictures that both get right.
        first_only: number of pictures that only the first one gets right.
        second_only: number of pictures that only the second one gets right.
        neither_right: number of pictures that both get wrong.
        first_acc1: acc@1 of the first one, a share.
        second_acc1: acc@1 of the second one, a share.
        difference: acc@1 of the first one minus that of the second one.
        interval: 95 % confidence interval of the difference.
        p_value: p-value of McNemar's exact test; for a sample, of the design-based interval.
        adjusted_p_value: the p-value after Holm's adjustment for all pairs of the document.
        kappa: Cohen's kappa of being right, called error consistency; null if both models are
            always right, or both are always wrong.
        same_answer: share of the pictures for which both predict the same class.
        estimated_for: number of pictures for which accuracies, difference, kappa and same_answer
            are estimates from a sample of n; null if they are measured.
    """

    first: RunName
    second: RunName
    n: int
    both_right: int
    first_only: int
    second_only: int
    neither_right: int
    first_acc1: float
    second_acc1: float
    difference: float
    interval: tuple[float, float]
    p_value: float
    adjusted_p_value: float
    kappa: float | None
    same_answer: float
    estimated_for: int | None


@dataclass(frozen=True)
class ComparedClass:
    """A class of which two runs get different numbers of pictures right.

    Attributes:
        label: the class, from 0.
        n: number of its pictures.
        first: number of them that the first run gets right.
        second: number of them that the second run gets right.
    """

    label: int
    n: int
    first: int
    second: int


@dataclass(frozen=True)
class CompareDocument:
    """Comparisons of `imagenet-benchmark compare`.

    Attributes:
        images: name of the image set.
        fingerprints: fingerprints of the pictures; several only with --mix-pictures.
        labels: the labels that were used, as --labels names them.
        subset: description of the pictures that count; empty for all.
        pairs: the pairs of runs, in the order of the text of the command.
        classes: for a comparison of two runs, the classes in which they differ, with the largest
            gain of the first run first; with --all, null.
        left_out: why runs are left out: they are damaged or cannot be found.
        notes: lines about labels and stores.
    """

    NAME: ClassVar[str] = "compare"
    VERSION: ClassVar[int] = 1

    images: str
    fingerprints: tuple[str, ...]
    labels: str
    subset: str
    pairs: tuple[ComparedPair, ...]
    classes: tuple[ComparedClass, ...] | None
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def compared(pair: Pair) -> ComparedPair:
    """A pair of runs."""
    return ComparedPair(
        first=named(pair.first),
        second=named(pair.second),
        n=pair.n,
        both_right=pair.both,
        first_only=pair.first_only,
        second_only=pair.second_only,
        neither_right=pair.neither,
        first_acc1=pair.shares[0],
        second_acc1=pair.shares[1],
        difference=pair.difference,
        interval=pair.interval,
        p_value=pair.p_value,
        adjusted_p_value=pair.adjusted,
        kappa=pair.kappa,
        same_answer=pair.same_answer,
        estimated_for=pair.estimated.of if pair.estimated else None,
    )


def compared_classes(changes: Sequence[ClassChange]) -> tuple[ComparedClass, ...]:
    """The classes in which two runs differ."""
    return tuple(ComparedClass(one.label, one.n, one.first, one.second) for one in changes)
