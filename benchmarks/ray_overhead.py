"""The executor `ray` against processes of this machine, and two of its workers against one.

The same models predict the same pictures in each way, one thread each, with random weights of the
same seed; predictions have to be equal. Times are those of whole sweeps after the pictures were
checked: each worker process imports PyTorch, and loads each model. Ray runs already; how long it
takes to start is a number of its own. The default of this command, one process for all models that
also shares their crops, is a line too; Ray has a process for each task, and no crops.

Usage: python benchmarks/ray_overhead.py [OUT.md] [--pictures DIR] [--small]
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _measure import (
    chosen_pictures,
    in_turn,
    linked,
    machine,
    middle,
    must_hold,
    options,
    publish,
    ratio,
    seconds,
    table,
)

from benchmarking.inference.verbs import predict
from benchmarking.models.frameworks import NO_GPU
from benchmarking.pictures.image_set import ImageSet
from benchmarking.pictures.sets import open_images
from benchmarking.predictions.store import Store

MODELS = ("torchvision/squeezenet1_1", "torchvision/resnet18", "torchvision/alexnet")
REPEATS, BATCH, WORKERS = 3, 8, (1, 2)
OBJECT_STORE = 100 * 10**6
DEFAULT, ALONE = "one process, crops shared", "a process for each model"
COLUMNS = ("way", "seconds", "of a process for each model")


@contextmanager
def ray_with(workers: int, starts: list[float]) -> Iterator[None]:
    """A Ray of this machine for some workers, until the block ends; how long it took to start."""
    import ray

    def start() -> None:
        ray.init(
            "local",
            num_cpus=workers,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
            log_to_driver=False,
            logging_level="ERROR",
        )

    starts.append(seconds(start))
    try:
        yield
    finally:
        ray.shutdown(wait_for_processes=True)


def ways(
    models: Sequence[str], images: ImageSet, work: Path, starts: list[float]
) -> dict[str, Callable[[], float]]:
    """A function for each way, which returns the seconds of its sweep."""

    def took(folder: str, **how: Any) -> float:
        store, common = work / f"{folder}-random", {"seed": 0, "again": True, "gpu": NO_GPU}
        every = {"batch_size": BATCH, "workers": 1, **common, **how}
        return seconds(lambda: predict(models, images, store, **every))

    def on_ray(workers: int) -> float:
        with ray_with(workers, starts):
            return took(f"ray-{workers}", executor="ray")

    found: dict[str, Callable[[], float]] = {
        DEFAULT: lambda: took("default"),
        ALONE: lambda: took("alone", executor="fresh-process", crop_cache="none"),
    }
    for workers in WORKERS:
        found[_name(workers)] = lambda workers=workers: on_ray(workers)  # type: ignore[misc]
    return found


def check_answers(work: Path) -> None:
    """Check that every way has stored the same predictions."""
    stores = [Store(folder) for folder in sorted(work.glob("*-random"))]
    for run in (run for name in stores[0].image_sets() for run in stores[0].runs(name)):
        first, *others = (store.read(run) for store in stores)
        for store, other in zip(stores[1:], others, strict=True):
            same = (first.classes == other.classes).all()
            same &= (first.probabilities == other.probabilities).all()
            must_hold(bool(same), f"{run.model} in {store.folder.name} is not as in the first")


def _name(workers: int) -> str:
    return f"Ray, {workers} worker{'s' * (workers > 1)}"


def main() -> None:
    """Measure, and publish the table."""
    args = options(__doc__).parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["RAY_worker_niceness"] = "0"  # else every other process of the machine goes first
    models, repeats = (MODELS[:1], 1) if args.small else (MODELS, REPEATS)
    heading, starts = machine("ray", "torch"), list[float]()
    pictures = chosen_pictures(args)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        linked(pictures, work / "pictures", len(pictures))
        images = open_images(str(work / "pictures"))
        times = in_turn(ways(models, images, work, starts), repeats)
        check_answers(work)
    alone, one, two = times[ALONE], *(times[_name(workers)] for workers in WORKERS)
    lines = [[name, middle(own, 1), f"{ratio(own, alone):.2f}"] for name, own in times.items()]
    publish(
        [
            *("# Overhead of Ray", ""),
            f"{len(models)} models, {len(pictures)} pictures, batches of {BATCH}. {heading}.",
            *("", *table(COLUMNS, lines), ""),
            f"Two workers of Ray are {ratio(one, two):.2f} times as fast as one. Ray starts in "
            f"{middle(starts, 1)} s.",
        ],
        args.out,
    )


if __name__ == "__main__":
    main()
