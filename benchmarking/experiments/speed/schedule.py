"""Which rounds are measured, and in which order.

Sides with the same weights are compared with the first of them, which is measured twice. Odd
rounds go forwards and even ones backwards: A/B/B/A, so that a machine that becomes slower is no
disadvantage for the last side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarking.errors import BenchmarkError
from benchmarking.experiments.speed import MODES, Options, Side, Trial
from benchmarking.experiments.speed.engines import modes_of
from benchmarking.experiments.speed.scenarios import scenario_named
from benchmarking.models.backends import listed_source
from benchmarking.models.same_weights import same_weights
from benchmarking.models.sources import all_specs
from benchmarking.models.spec import ModelSpec


@dataclass(frozen=True)
class Comparison:
    """Sides that do the same work with the same weights.

    Attributes:
        scenario: name of the scenario.
        batch_size: pictures per call.
        sides: the sides; the first one is the reference.
    """

    scenario: str
    batch_size: int
    sides: tuple[Side, ...]

    @property
    def reference(self) -> Side:
        """The side with which all others are compared."""
        return self.sides[0]

    @property
    def with_null(self) -> tuple[Side, ...]:
        """All sides, and the reference once more at the end."""
        return (*self.sides, self.reference.again)


def sides_of(specs: Sequence[ModelSpec], modes: Sequence[str]) -> list[Side]:
    """The sides of models in modes, each model in those that its framework has.

    Raises:
        BenchmarkError: a mode does not exist, or no model has one of them.
    """
    for mode in modes:
        if mode not in MODES:
            raise BenchmarkError(f"there is no mode {mode!r}; there are {', '.join(MODES)}.")
    found = [Side(spec, mode) for spec in specs for mode in modes if mode in modes_of(spec)]
    if not found:
        names = ", ".join(spec.full_name for spec in specs[:3])
        raise BenchmarkError(f"none of these models can run {' or '.join(modes)}: {names}.")
    return found


def comparisons(
    scenarios: Sequence[str], sides: Sequence[Side], batch_sizes: Sequence[int], *, random: bool
) -> list[Comparison]:
    """Every comparison of the sides, by scenario and batch size.

    Args:
        scenarios: names of the scenarios.
        sides: the chosen sides.
        batch_sizes: the chosen batch sizes.
        random: whether weights are random, and so the same only in one source of models.

    Raises:
        BenchmarkError: there is no such scenario, or one has nothing to measure.
    """
    found: list[Comparison] = []
    for name in dict.fromkeys(scenarios):
        scenario = scenario_named(name)
        groups = _groups(scenario.sides(sides), random=random)
        sizes = sorted(set(scenario.batch_sizes(batch_sizes)))
        if not (groups and sizes):
            raise BenchmarkError(
                f"scenario {name} cannot measure these sides with batch size "
                f"{', '.join(map(str, batch_sizes))}; {scenario.HELP}."
            )
        found += [Comparison(name, size, group) for group in groups for size in sizes]
    return found


def trials(todo: Sequence[Comparison], rounds: int, options: Options) -> list[Trial]:
    """All rounds of all comparisons, in the order in which they are measured."""
    return [
        Trial(one.scenario, side, one.batch_size, number, place, options)
        for place, (number, one, side) in enumerate(_order(todo, rounds), 1)
    ]


def _order(todo: Sequence[Comparison], rounds: int) -> Iterator[tuple[int, Comparison, Side]]:
    for number in range(1, rounds + 1):
        for one in todo:
            order = one.with_null if number % 2 else one.with_null[::-1]
            for side in order:
                yield number, one, side


def _groups(sides: Sequence[Side], *, random: bool) -> list[tuple[Side, ...]]:
    """Sides with the same weights together, in the order of their first ones."""
    same = {} if random else same_weights(all_specs())
    groups: dict[str, list[Side]] = {}
    for side in sides:
        name = f"{listed_source(side.spec.source)}/{side.spec.name}"
        key = min([name, *(other.model for other in same.get(name, ()))])
        groups.setdefault(side.network or key, []).append(side)
    return [tuple(group) for group in groups.values()]
