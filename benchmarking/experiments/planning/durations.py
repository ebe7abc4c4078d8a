"""How long models take on a device, as far as a store has measured them.

The seconds of stored runs come first, because they are those of the same work. Where a model has
none, rounds of `speed` count that this machine has measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import log

from benchmarking.errors import StoreError
from benchmarking.experiments.planning.devices import CPU, Kind
from benchmarking.experiments.speed.conditions import machine
from benchmarking.inference.plan import Plan
from benchmarking.io.prefetch import cores
from benchmarking.models.frameworks import pytorch
from benchmarking.models.sources import framework_of, precisions_of
from benchmarking.models.spec import ModelSpec
from benchmarking.predictions.provenance import Provenance
from benchmarking.predictions.speed_store import Recorded, SpeedStore
from benchmarking.scoring.speed import median_time

SCENARIOS = ("pipeline", "offline", "single")
"""Scenarios of `speed` that tell how long a run takes, the most complete one first."""


@dataclass(frozen=True)
class Duration:
    """How long a model takes.

    Attributes:
        per_picture: seconds for each picture.
        source: where this is from, in words.
        start: seconds before the first picture; 0 if they are among those of the pictures, or not
            known.
        pictures: number of pictures of the longest stored run that it is from; 0 if it is from
            rounds of `speed`, which leave out loading.
    """

    per_picture: float
    source: str
    start: float = 0.0
    pictures: int = 0

    def seconds(self, n: int) -> float:
        """Seconds for n pictures; none for no picture."""
        return self.start + n * self.per_picture if n else 0.0


@dataclass(frozen=True)
class Durations:
    """How long models take on one device.

    Attributes:
        device: title of the device; "" if nothing was measured.
        by_model: by the full name of the model.
        problems: why some rounds cannot be read.
    """

    device: str = ""
    by_model: Mapping[str, Duration] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def durations(plan: Plan, kind: Kind) -> Durations:
    """How long the models of a plan take, as far as its store has measured them.

    Times of GPUs of two kinds are never mixed: the one on which most of the models were measured
    counts. Stored runs do not tell one CPU from another, so theirs may be of several machines.
    """
    problems: list[str] = []
    by_device: dict[str, dict[str, Duration]] = defaultdict(dict)
    for device, model, duration in _of_rounds(plan, kind, problems):
        by_device[device][model] = duration
    for device, model, duration in _of_runs(plan, kind):
        by_device[device][model] = duration
    fitting = [device for device in by_device if (device == CPU) == (kind == CPU)]
    if not fitting:
        return Durations(problems=tuple(problems))
    device = max(fitting, key=lambda one: (len(by_device[one]), one))
    return Durations(device, by_device[device], tuple(problems))


def _of_runs(plan: Plan, kind: Kind) -> Iterator[tuple[str, str, Duration]]:
    """Device, model and duration, from the seconds of stored runs."""
    specs = {(spec.source, spec.name): spec for spec in plan.specs}
    times: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for images in plan.store.image_sets():
        for run in plan.store.runs(images):
            spec = specs.get((run.source, run.model))
            if spec is None or run.recipe != plan.options.recipe:
                continue
            try:
                made = plan.store.provenance(run)
            except StoreError:  # the plan says that it is to be computed again
                continue
            n = made.images.get("n")
            if isinstance(n, int) and n > 0 and made.seconds and _is_alike(plan, spec, made, kind):
                times[made.device, spec.full_name].append((n, made.seconds))
    for (device, model), found in times.items():
        yield device, model, _through(found)


def _is_alike(plan: Plan, spec: ModelSpec, made: Provenance, kind: Kind) -> bool:
    """Whether a stored run was computed as the plan would compute it, without an incident."""
    options, recipe = plan.options, spec.recipes[plan.options.recipe]
    would_be_compiled = options.compiler is not None and spec.framework == pytorch.NAME
    return (
        not made.incidents
        and made.precision == (options.precision or precisions_of(spec)[0])
        and made.batch_size == _batch_size(plan, spec, kind)
        and made.preprocessing.get("crop") == recipe.crop
        and ("compiled" in made.versions) == would_be_compiled
    )


def _through(times: list[tuple[int, float]]) -> Duration:
    """The duration that number of pictures and seconds of some runs show.

    With a run that has at least twice as many pictures as another, the time before the first
    picture is told apart.
    """
    (few, short), (many, long) = min(times), max(times)
    per_picture = (long - short) / (many - few) if many >= 2 * few else 0.0
    start = short - few * per_picture
    if per_picture > 0 and start >= 0:
        return Duration(per_picture, f"runs of {few:,} and {many:,} pictures", start, many)
    return Duration(long / many, f"run of {many:,} pictures", pictures=many)


def _of_rounds(plan: Plan, kind: Kind, problems: list[str]) -> Iterator[tuple[str, str, Duration]]:
    """Device, model and duration, from rounds of `speed`; the best of each model comes last."""
    specs = {(spec.source, spec.name): spec for spec in plan.specs}
    found: list[tuple[tuple[float, ...], str, ModelSpec, Recorded]] = []
    for one in SpeedStore(plan.store.folder).found():
        if isinstance(one, StoreError):
            problems.append(str(one))
            continue
        spec = specs.get((one.series.source, one.series.model))
        if spec is not None and one.rounds and _is_usable(plan, spec, one, kind):
            size = _batch_size(plan, spec, kind)
            far = abs(log(one.series.batch_size / size))
            rank = (-SCENARIOS.index(one.series.scenario), -far)
            device = one.rounds[-1].measured.facts.get("device", one.setting.device)
            found.append((rank, device, spec, one))
    for _, device, spec, one in sorted(found, key=lambda each: each[0]):
        seconds = median_time(one.rounds).value
        source = f"speed, {one.series.scenario}, batch {one.series.batch_size}"
        yield device, spec.full_name, Duration(seconds / one.rounds[0].measured.pictures, source)


def _is_usable(plan: Plan, spec: ModelSpec, one: Recorded, kind: Kind) -> bool:
    """Whether rounds are of this machine, and of a model that runs as in the plan."""
    series, setting, options = one.series, one.setting, plan.options
    size, usual = _batch_size(plan, spec, kind), spec.recipes.get("published")
    return (
        series.scenario in SCENARIOS
        and (series.scenario != "single" or size == 1)
        and series.mode == _mode(plan, spec)
        and not series.replica
        and setting.machine == machine()
        and setting.precision == (options.precision or precisions_of(spec)[0])
        and setting.weights == ("published" if options.seed is None else "random")
        and (kind != CPU or setting.threads == cores())
        and usual is not None  # the recipe of all rounds
        and usual.crop == spec.recipes[options.recipe].crop
        and all(each.measured.times and each.measured.pictures for each in one.rounds)
    )


def _batch_size(plan: Plan, spec: ModelSpec, kind: Kind) -> int:
    """Pictures per forward pass."""
    return plan.options.batch_size or framework_of(spec).BATCH_SIZES[kind]


def _mode(plan: Plan, spec: ModelSpec) -> str:
    """The mode of `speed` in which the plan runs a model; Keras compiles its models anyway."""
    if spec.framework != pytorch.NAME:
        return "compiled"
    return {None: "eager", "torch": "compiled"}.get(plan.options.compiler, "onnxruntime")
