"""Sweeps over samples that grow until the accuracy of every model is known well enough.

Every round is a sweep over a sample of one place. The place is listed once, and no picture is read
twice: a larger sample has nearly all pictures of the smaller one, and takes over their crops.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from benchmarking.io.progress import notice, silent
from benchmarking.pictures.design import Design
from benchmarking.pictures.growth import Goal
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.intervals import estimated_share
from benchmarking.pictures.read_before import ReadBefore
from benchmarking.pictures.sampling import Sample
from benchmarking.pictures.sets import Contents, sampled
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store


class Planned(Protocol):
    """A sweep that is planned; `Plan` and `OwnPlan` are."""

    @property
    def store(self) -> Store:
        """The store for the runs."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """Its runs."""

    def read(
        self, contents: Contents, until: ExitStack, *, before: ReadBefore | None = None
    ) -> tuple[Self, ImageSet]:
        """The plan on the pictures, each of which is read once; see `Plan.read`."""


P = TypeVar("P", bound=Planned)


@dataclass(frozen=True)
class Rounds(Generic[P]):
    """What is the same in all rounds.

    Attributes:
        contents: all pictures of the place.
        name: name of the image set of all pictures.
        made: plans a sweep over an image set, from its name and number of pictures.
        settled: changes a plan when its pictures were read.
        tell: called with messages for the user.
    """

    contents: Contents
    name: str
    made: Callable[[str, int], P]
    settled: Callable[[P, ImageSet], P] = lambda plan, images: plan
    tell: Callable[[str], None] = notice

    def run(
        self, estimate: int | Sample | None = None, goal: Goal | None = None
    ) -> Generator[tuple[P, ImageSet], Any, None]:
        """Yield the plan of each round and its pictures, to be swept before the next one is asked.

        Args:
            estimate: the first sample, or its number of pictures; None for all pictures, or for
                the sample that the goal begins with.
            goal: None ends after the first round.

        Raises:
            BenchmarkError: a sample cannot be drawn, or pictures cannot be used.
        """
        keys = [picture.key for picture in self.contents.pictures]
        sample = goal.first(keys) if goal and estimate is None else estimate
        before, tell = ReadBefore() if goal else None, self.tell
        with ExitStack() as crops:  # of all rounds: samples are nearly, not always, nested
            while True:
                contents, name = sampled(self.contents, self.name, sample, tell)
                plan = self.made(name, len(contents.pictures))
                plan, images = plan.read(contents, crops, before=before)
                plan = self.settled(plan, images)
                yield plan, images
                if goal is None or images.design is None:
                    return
                halves = _halves(plan, images.name, images.design)
                sample = goal.next(halves, images.design)
                if sample is None:
                    return
                self.tell(
                    f"acc@1 is known to {100 * max(halves):.2f} points, not yet to "
                    f"{goal.points:g}; a sample of {sample.n:,} pictures follows"
                )
                tell = silent  # the note about the first sample holds for the others, too


def _halves(plan: Planned, images: str, design: Design) -> list[float]:
    """Half of the 95 % interval of acc@1 of each stored run of a plan, as a share.

    A run on a set with few classes has two accuracies, that among these classes as well.
    """
    store = plan.store
    right, stored = store.right_classes(images), set(store.runs(images))
    guesses = [
        each
        for run in plan.runs
        if run in stored
        for each in (store.classes(run), store.restricted_classes(run))
        if each is not None
    ]
    hits = [(each[:, :1] == right).any(axis=1) for each in guesses]
    return [estimated_share(one, design).half for one in hits]
