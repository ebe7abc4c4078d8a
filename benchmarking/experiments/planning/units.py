"""The units of a sweep, a model on an image set each, and what each of them would cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarking.errors import BenchmarkError, StoreError, WeightsError
from benchmarking.experiments.planning.devices import kind_of
from benchmarking.experiments.planning.durations import Durations, durations
from benchmarking.inference.checkpoints import Checkpoints, Conditions
from benchmarking.inference.plan import Plan
from benchmarking.io import files
from benchmarking.models.available import download_size, explained, has_weights
from benchmarking.models.spec import ModelSpec
from benchmarking.pictures.crop_cache import CropFile, steps_of
from benchmarking.predictions.provenance import RANDOM

State = Literal["stored", "to resume", "to do", "weights missing", "cannot run"]


@dataclass(frozen=True)
class Unit:
    """A model on an image set.

    Attributes:
        images: name of the image set.
        model: full name of the model.
        state: what is left to do.
        n: number of pictures.
        done: number of pictures that are stored, or kept in checkpoints.
        size: largest number of bytes that it adds to the store.
        download: bytes of weights to be downloaded; 0 if they are available.
        seconds: time that is left; None if nothing tells it.
        source: where the time is from, in words.
    """

    images: str
    model: str
    state: State
    n: int
    done: int = 0
    size: int = 0
    download: int = 0
    seconds: float | None = None
    source: str = ""

    @property
    def is_left(self) -> bool:
        """Whether something would be computed."""
        return self.state in ("to resume", "to do")


@dataclass(frozen=True)
class Total:
    """The sum of some units.

    Attributes:
        units: the units.
    """

    units: tuple[Unit, ...]

    def count(self, *states: State) -> int:
        """Number of units in these states."""
        return sum(unit.state in states for unit in self.units)

    @property
    def left(self) -> tuple[Unit, ...]:
        """The units that would be computed."""
        return tuple(unit for unit in self.units if unit.is_left)

    @property
    def pictures(self) -> int:
        """Pictures of all units that can run, each counted once per model."""
        return sum(unit.n for unit in self.units if unit.is_left or unit.state == "stored")

    @property
    def done(self) -> int:
        """Pictures that are stored, or kept in checkpoints."""
        return sum(unit.done for unit in self.units)

    @property
    def size(self) -> int:
        """Largest number of bytes that the store grows by."""
        return sum(unit.size for unit in self.units)

    @property
    def download(self) -> int:
        """Bytes of weights to be downloaded; a model on several image sets has one file."""
        return sum({unit.model: unit.download for unit in self.left}.values())

    @property
    def seconds(self) -> float:
        """Time of the units that tell theirs."""
        return sum(unit.seconds or 0.0 for unit in self.left)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Full names of the models whose time nothing tells."""
        names = (unit.model for unit in self.left if unit.seconds is None)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Planned:
    """What a sweep would do.

    Attributes:
        units: every unit, by image set, then in the order of the models.
        crops: largest number of bytes of crops that are kept meanwhile, by image set.
        durations: how long the models take.
        folder: folder of the store.
        free: free bytes on its disk.
        processes: number of processes that run models at the same time; None if it is not known.
        notes: problems that the sweep would meet, in words.
    """

    units: tuple[Unit, ...]
    crops: Mapping[str, int]
    durations: Durations
    folder: Path
    free: int
    processes: int | None = 1
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Total:
        """The sum of all units."""
        return Total(self.units)

    @property
    def totals(self) -> dict[str, Total]:
        """The sum of the units of each image set."""
        names = dict.fromkeys(unit.images for unit in self.units)
        return {
            name: Total(tuple(unit for unit in self.units if unit.images == name)) for name in names
        }

    @property
    def wall_seconds(self) -> float | None:
        """Time until the end if the work is shared evenly; None if that is not known."""
        return None if self.processes is None else self.total.seconds / self.processes


def planned(
    plans: Sequence[Plan],
    *,
    processes: int | None = 1,
    tells_missing: Iterable[str] = (),
) -> Planned:
    """What plans would do, which must have the same models and one store.

    Args:
        plans: the plans, one for each image set.
        processes: number of processes that run models at the same time; None if it is not known.
        tells_missing: full names of the models that also have a unit if they cannot run.
    """
    first = plans[0]
    known = durations(first, kind_of(first.options.gpu))
    named = {name: error for name, error in first.obstacles.items() if name in set(tells_missing)}
    units = [
        *(_unit(plan, spec, known) for plan in plans for spec in plan.specs),
        *(
            Unit(plan.images, name, _obstacle(error), plan.n)
            for plan in plans
            for name, error in plan.obstacles.items()
            if name in named
        ),
    ]
    order = {plan.images: place for place, plan in enumerate(plans)}
    return Planned(
        tuple(sorted(units, key=lambda unit: order[unit.images])),
        {plan.images: _crops(plan, units) for plan in plans},
        known,
        first.store.folder,
        files.free(first.store.folder),
        processes,
        (
            *explained(named),
            *_left_out(len(first.obstacles) - len(named)),
            *(note for plan in plans for note in _notes(plan)),
            *known.problems,
        ),
    )


def _unit(plan: Plan, spec: ModelSpec, known: Durations) -> Unit:
    state, done = _progress(plan, spec)
    if state == "stored":
        return Unit(plan.images, spec.full_name, state, plan.n, done)
    found = known.by_model.get(spec.full_name)
    needs_weights = plan.options.seed is None
    is_missing = needs_weights and not has_weights(spec, plan.options.weights_folder)
    return Unit(
        plan.images,
        spec.full_name,
        state,
        plan.n,
        done,
        plan.size([spec]),
        download_size(spec) if is_missing else 0,
        found.seconds(plan.n - done) if found else None,
        found.source if found else "",
    )


def _progress(plan: Plan, spec: ModelSpec) -> tuple[State, int]:
    """The state of a model's run, and how many of its pictures are done."""
    run, recorded = plan.run(spec), _recorded(plan, spec)
    if not plan.options.again:
        try:
            made = plan.store.provenance(run)
            keeps = plan.options.keep == "top5" or plan.store.keeps_all_probabilities(run)
            if keeps and recorded == _names(made.weights, made.preprocessing, made.images):
                return "stored", plan.n
        except StoreError:  # missing, damaged, or stored with other pictures
            pass

    def fits(found: Conditions) -> bool:
        parts = (found.ingredients.get(name, {}) for name in ("weights", "preprocessing", "images"))
        return _names(*parts) == recorded

    kept = Checkpoints(plan.store.unfinished(run)).matching(fits, plan.n)
    done = sum(len(one.rows) for one in kept)
    return ("to resume" if done else "to do"), done


def _recorded(plan: Plan, spec: ModelSpec) -> tuple[object, ...]:
    """What tells a run of a plan from others without its pictures and its weights being read."""
    weights = spec.weights.name if plan.options.seed is None else RANDOM
    recipe: dict[str, Any] = json.loads(json.dumps(spec.recipes[plan.options.recipe].as_document()))
    return _names({"name": weights, "seed": plan.options.seed}, recipe, {"n": plan.n})


def _names(
    weights: Mapping[str, Any], preprocessing: Mapping[str, Any], images: Mapping[str, Any]
) -> tuple[object, ...]:
    return weights.get("name"), weights.get("seed"), dict(preprocessing), images.get("n")


def _crops(plan: Plan, units: Iterable[Unit]) -> int:
    """Largest number of bytes of the crops that are kept until the models have seen them."""
    if plan.crop_cache == "none":
        return 0
    left = {unit.model for unit in units if unit.images == plan.images and unit.state == "to do"}
    recipes = [spec.recipes[plan.options.recipe] for spec in plan.specs if spec.full_name in left]
    sides = {json.dumps(steps_of(recipe)): recipe.crop for recipe in recipes}
    return sum(CropFile(Path(), plan.n, side).size for side in sides.values())


def _notes(plan: Plan) -> Iterator[str]:
    """What would keep a plan from being carried out."""
    others = set()
    for run in plan.store.runs(plan.images):
        try:
            others.add(plan.store.provenance(run).images.get("n"))
        except StoreError:  # it is computed again
            continue
    if others - {plan.n, None}:
        numbers = ", ".join(f"{n:,}" for n in sorted(n for n in others if isinstance(n, int)))
        yield (
            f"{plan.store.place} has runs on {numbers} pictures named {plan.images}, and these "
            f"are {plan.n:,}: 'predict' would refuse them. Name them otherwise with --images."
        )


def _obstacle(error: BenchmarkError) -> State:
    return "weights missing" if isinstance(error, WeightsError) else "cannot run"


def _left_out(n: int) -> list[str]:
    """A note on listed models that are left out, since nobody has named them."""
    if not n:
        return []
    return [f"{n:,} listed models are left out: their weights or libraries are missing"]
