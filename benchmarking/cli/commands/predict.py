"""Predict labelled pictures with pretrained models and store what they say.

PICTURES is ILSVRC2012_img_val.tar as it comes, or a folder: either with a folder of pictures for
each class, named by WordNet id (n01440764), or with files named ILSVRC2012_val_00000001.JPEG and
so on; any part of the validation set will do. Or it is 'demo': 20 pictures that a package ships.

A complete run is stored at once and not computed again, and what is done of another is kept, so
after an interruption the same command goes on where it stopped. Every picture is read before the
first is predicted, and models that look at the same crops share them. Weights of models that are
asked for by name are downloaded where they are missing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.cli._models import chosen
from benchmarking.cli._options import add_store, add_weights, chosen_store, positive
from benchmarking.cli._pictures import image_set
from benchmarking.cli._progress import notice, show, title
from benchmarking.cli._room import check_room, crops_shared, in_bytes, size_of_runs

if TYPE_CHECKING:
    from benchmarking.errors import BenchmarkError
    from benchmarking.jobs import Job
    from benchmarking.specs import ModelSpec, Run
    from benchmarking.sweep import Sweep

NAME = "predict"
HELP = "predict pictures with pretrained models and store what they say"

# Of random weights: the same ones in every run.
RANDOM_SEED = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    cores = _cores()
    add = parser.add_argument
    add("pictures", metavar="PICTURES", help="a tar or folder of labelled pictures, or 'demo'")
    add("--images", metavar="NAME", help="name of the image set (default: after the folder)")
    add(
        "--models",
        nargs="+",
        action="extend",
        metavar="MODEL",
        help="names, wildcards ('efficientnet-lite?'), frameworks (pytorch, keras), sources or "
        "SOURCE/NAME; 'imagenet-benchmark models' lists them (default: all whose weights are at "
        "hand)",
    )
    add(
        "--recipe",
        default="published",
        metavar="NAME",
        help="how pictures become model input: published, as the weights' authors evaluate (the "
        "default), or northcutt2019, as the table of 2019 was made",
    )
    add(
        "--limit",
        type=positive,
        metavar="N",
        help="a trial on N pictures, evenly spread; it is stored as an image set of its own",
    )
    add(
        "--batch-size",
        type=positive,
        metavar="N",
        help="pictures per forward pass (default: PyTorch 8 on a CPU and 256 on a GPU, Keras 1)",
    )
    add(
        "--gpu",
        type=_gpu,
        metavar="ID",
        help="number of the GPU, among the visible ones, or 'none' for the CPU (default: the "
        "first, or the CPU where there is none)",
    )
    add(
        "--workers",
        type=positive,
        default=cores,
        metavar="N",
        help=f"threads that decode pictures (default: one for each core, here {cores})",
    )
    add(
        "--weights-dir",
        type=Path,
        metavar="DIR",
        help="folder with the files of weights (default: where each framework keeps them)",
    )
    add_weights(
        parser,
        "'random' runs the machinery without any file of weights; such runs are stored apart and "
        "only 'table --weights random' shows them",
    )
    add(
        "--save-all-probs",
        action="store_true",
        help="store the probabilities of all classes, not the top-5 alone",
    )
    add(
        "--precision",
        choices=("tf32", "bf16", "fp16"),
        help="compute in fewer bits: faster on most GPUs, with other answers; such runs are kept "
        "in a store of their own, named after it (default: float32 in full)",
    )
    add(
        "--on-bad-image",
        choices=("stop", "skip"),
        default="stop",
        help="stop before the first prediction if a picture cannot be decoded (the default), or "
        "leave such pictures out, which makes another image set",
    )
    add(
        "--crop-cache",
        metavar="DIR",
        help="keep crops in this folder for later sweeps as well, or 'none' to decode for each "
        "model anew (default: in your cache while models share them and the disk has room)",
    )
    add(
        "--timeout",
        type=positive,
        default=3600,
        metavar="SECONDS",
        help="give a model up when nothing comes of it for so long (default: %(default)s)",
    )
    add("--again", action="store_true", help="compute complete runs once more")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Predict, store and report; 1 if a model that was asked for failed."""
    try:
        return _run(args)
    except KeyboardInterrupt:
        print("\nstopped; what is done is kept, and the same command goes on", file=sys.stderr)
        return 130


def _run(args: argparse.Namespace) -> int:
    from benchmarking.datasets import default_name, open_pictures
    from benchmarking.doctor import quick
    from benchmarking.image_sets import spread
    from benchmarking.specs import check_name
    from benchmarking.store import PredictionStore
    from benchmarking.sweep import Sweep

    pictures = open_pictures(args.pictures)
    for found in quick(args.pictures, pictures=pictures):
        print(f"warning: {found}", file=sys.stderr)
    name = check_name(args.images or default_name(args.pictures, pictures))
    if args.limit and args.limit < len(pictures):
        pictures, name = spread(pictures, args.limit), f"{name}-limit-{args.limit}"
    specs, obstacles = chosen(args)
    store = PredictionStore(chosen_store(args))
    print(_plan(args, name, len(pictures), specs, obstacles), flush=True)
    missing = [spec for spec in specs if not store.path(_run_of(args, spec, name)).exists()]
    check_room(store.folder, size_of_runs(args, len(pictures), missing))
    images = image_set(args, name, pictures)
    store.admit(images)
    sweep = Sweep(
        images,
        store,
        lambda: datetime.now(UTC),
        _recorded(args.arguments),
        again=args.again,
        timeout=args.timeout,
        notice=notice,
    )
    jobs = [_job(args, spec, sweep) for spec in specs]
    todo = [job for job in jobs if args.again or not _is_done(sweep, job)]
    with crops_shared(args, todo, images) as sharing, closing(sweep.run(sharing)) as events:
        failures = show(events)
    if args.models:  # they were asked for
        for model, obstacle in obstacles.items():
            print(f"failed: {model}: {obstacle}", file=sys.stderr)
        failures += len(obstacles)
    return 1 if failures else 0


def _plan(
    args: argparse.Namespace,
    name: str,
    n: int,
    specs: Sequence[ModelSpec],
    obstacles: Mapping[str, BenchmarkError],
) -> str:
    """One line, before anything is computed, that says what will be."""
    from benchmarking.errors import WeightsError
    from benchmarking.sources import framework_of

    titles = Counter(framework_of(spec).TITLE for spec in specs)
    kinds = [f"{count} {title}" for title, count in titles.items()]
    without = sum(isinstance(obstacle, WeightsError) for obstacle in obstacles.values())
    left_out = {"weights missing for": without, "cannot run:": len(obstacles) - without}
    kinds += [f"{what} {count}" for what, count in left_out.items() if count]
    size = size_of_runs(args, n, specs)
    return (
        f"{len(specs)} model{'s' * (len(specs) != 1)} ({', '.join(kinds)}), recipe {args.recipe}, "
        f"{n} pictures of {name}; up to {in_bytes(size)} into {chosen_store(args)}"
    )


def _job(args: argparse.Namespace, spec: ModelSpec, sweep: Sweep) -> Job:
    from benchmarking.jobs import Job, Keep

    run = _run_of(args, spec, sweep.images.name)
    keep: Keep = "all" if args.save_all_probs else "top5"
    return Job(
        run,
        sweep.images.pictures,
        args.batch_size,
        args.gpu,
        args.workers,
        weights_folder=args.weights_dir,
        seed=RANDOM_SEED if args.weights == "random" else None,
        keep=keep,
        precision=args.precision,
    )


def _run_of(args: argparse.Namespace, spec: ModelSpec, images: str) -> Run:
    from benchmarking.specs import Run

    return Run(images, spec.source, spec.name, args.recipe)


def _is_done(sweep: Sweep, job: Job) -> bool:
    done = sweep.has(job)
    if done:
        sweep.tidy(job)
        when = sweep.store.provenance(job.run).started.partition("T")[0]
        print(f"{title(job)}: complete since {when}; --again computes it once more")
    return done


def _recorded(arguments: Sequence[str]) -> tuple[str, ...]:
    """The command's arguments without the user's folders: paths keep their last part."""

    def last_part(text: str) -> str:
        path = Path(text)
        is_path = path.is_absolute() or path.exists() or text.startswith((".", "~"))
        return path.name or text if is_path else text

    parts = (argument.partition("=") for argument in arguments)
    return tuple(f"{last_part(name)}{sign}{last_part(value)}" for name, sign, value in parts)


def _gpu(text: str) -> int:
    from benchmarking.frameworks import NO_GPU

    return NO_GPU if text == "none" else int(text)


def _cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
