"""Run pretrained models on labelled pictures and store the predictions.

PICTURES is one of:
  ILSVRC2012_img_val.tar, the official file
  a folder that contains a folder for each class, named by WordNet id (n01440764)
  a folder that contains files named ILSVRC2012_val_00000001.JPEG and so on, or as Hugging Face
  names them
  an uncompressed tar of such folders or files
  the folder or tar of a published set, such as ImageNet-V2; 'imagenet-benchmark sets' lists them
  demo, 20 pictures that come with a package
A part of the validation set is enough. Other files, such as notes, are left out, and a line on
standard error names them. Several places are several image sets: all of them are checked before
the first prediction.

A run is stored as soon as it is complete, and is not computed again. Partial runs are kept as
checkpoints, so after an interruption the same command resumes where it stopped. Before the first
prediction, all pictures are checked with the preprocessing of every model. Models with the same
preprocessing share the crops. If the weights of a model that you name are missing, they are
downloaded. --plan shows what would be done, and starts nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.cli.arguments import gpu_numbers, positive
from benchmarking.cli.dry_run import add_plan, check_plan, show_plan
from benchmarking.cli.estimates import add_estimate, check_estimate, goal_of, sample_of
from benchmarking.cli.options import (
    add_class_folders,
    add_store,
    add_weights,
    chosen_store,
)
from benchmarking.cli.own_models import add_own_model, own_specs
from benchmarking.cli.picture_places import Chosen, add_places, chosen_places
from benchmarking.cli.shards import add_shard, check_shard, shard_of
from benchmarking.io.addresses import is_address
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    from benchmarking.inference.crop_sharing import CropCache
    from benchmarking.inference.plan import Options, Plan
    from benchmarking.models.spec import ModelSpec
    from benchmarking.pictures.image_set import ImageSet
    from benchmarking.pictures.sets import Contents
    from benchmarking.predictions.store import Store

NAME = "predict"
HELP = "run pretrained models on pictures and store the predictions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_places(parser)
    add_class_folders(parser)
    _add_what(parser)
    _add_device(parser)
    _add_weights_and_precision(parser)
    _add_sweep(parser)
    add_store(parser)
    add_plan(parser)


def _add_what(parser: argparse.ArgumentParser) -> None:
    """Add which models predict which of the pictures, and how these are preprocessed."""
    add = parser.add_argument
    add(
        "--models",
        nargs="+",
        action="extend",
        metavar="MODEL",
        help="names, wildcards ('efficientnet-lite?'), frameworks (pytorch, keras), sources or "
        "SOURCE/NAME; 'imagenet-benchmark models' lists them (default: all whose weights are "
        "available)",
    )
    add_own_model(parser)
    add(
        "--recipe",
        default="published",
        metavar="NAME",
        help="preprocessing: published, with which the authors of the weights evaluate them (the "
        "default), published-test-size, the other size at which timm evaluates a model, or "
        "northcutt2019, that of the table of 2019",
    )
    add(
        "--limit",
        type=positive,
        metavar="N",
        help="predict only N pictures, spread evenly over the set; they are stored as a separate "
        "image set",
    )
    add_estimate(parser)
    add_shard(parser)


def _add_device(parser: argparse.ArgumentParser) -> None:
    """Add the batch size, GPUs and threads."""
    from benchmarking.io.prefetch import cores

    add = parser.add_argument
    add(
        "--batch-size",
        type=positive,
        metavar="N",
        help="pictures per forward pass (default: PyTorch 8 on a CPU and 256 on a GPU, Keras 1)",
    )
    add(
        "--gpu",
        type=gpu_numbers,
        metavar="ID",
        help="index of the GPU among the visible ones, or 'cpu' (default: the first GPU, or the "
        "CPU if there is no GPU). Several, such as 0,1,2,3, or 'all' share the models, and the "
        "pictures of the last ones; 'cpu,cpu' are two workers on the CPU",
    )
    add(
        "--workers",
        type=positive,
        default=cores(),
        metavar="N",
        help=f"threads that decode pictures, in all (default: one for each core, here {cores()})",
    )


def _add_weights_and_precision(parser: argparse.ArgumentParser) -> None:
    """Add the weights, and what changes the digits of predictions or how many are kept."""
    add = parser.add_argument
    add(
        "--weights-dir",
        type=expanded,
        metavar="DIR",
        help="folder with the files of weights, or a cache of the Hugging Face hub (default: where "
        "each framework keeps them)",
    )
    add_weights(
        parser,
        "'random' tests the pipeline without any file of weights; these runs are stored "
        "separately, and only 'table --weights random' shows them",
    )
    add(
        "--save-all-probs",
        action="store_true",
        help="store the probabilities of all classes, not only the top-5",
    )
    add(
        "--precision",
        metavar="NAME",
        help="compute with lower precision: tf32, bf16 or fp16; faster on most GPUs, but "
        "predictions change; these runs are kept in a separate store, named after the precision "
        "(default: full float32)",
    )
    add(
        "--compile",
        choices=("torch", "onnxruntime"),
        metavar="NAME",
        help="compile the forward pass of models of PyTorch with torch (torch.compile) or "
        "onnxruntime. Each model predicts its first 64 pictures both ways, and is compiled only if "
        "their top-5 are the same and no probability differs by more than 1e-5 (default: not "
        "compiled; Keras compiles its models anyway)",
    )
    add(
        "--backend",
        metavar="NAME",
        help="run the chosen models of Keras, and only those, on this backend of Keras: "
        "tensorflow, jax or torch; runs are stored under the sources keras-jax and so on, which "
        "--models also accepts (default: tensorflow)",
    )


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    """Add what happens to broken pictures, crops and stored runs, and where models run."""
    add = parser.add_argument
    add(
        "--on-bad-image",
        choices=("stop", "skip"),
        default="stop",
        help="stop before the first prediction if the recipe of a model cannot crop a picture (the "
        "default), or leave such pictures out for all models, which makes a different image set",
    )
    add(
        "--crop-cache",
        type=_crop_cache,
        metavar="DIR",
        help="keep crops in this folder, also for later sweeps; with 'none', pictures are decoded "
        "again for each model (default: your cache, only during the sweep, if the disk has room)",
    )
    add(
        "--timeout",
        type=positive,
        default=3600,
        metavar="SECONDS",
        help="stop a model that produces no output for this time (default: %(default)s)",
    )
    add("--again", action="store_true", help="compute complete runs again, and replace them")
    add(
        "--executor",
        metavar="NAME",
        help="where models run: worker-process (one process for all), fresh-process (a new one for "
        "each model), in-process, ray (tasks of Ray, on a cluster or this machine's cores), or one "
        "that a plug-in adds (default: the framework's own)",
    )
    add(
        "--address",
        metavar="ADDRESS",
        help="with --executor ray: the cluster, 'auto' for the one that this machine belongs to, "
        "HOST:PORT of its head, or 'local' for a Ray that is started on this machine (default: "
        "$RAY_ADDRESS, else 'local')",
    )


def run(args: argparse.Namespace) -> int:
    """Predict, store and report; 1 if a requested model failed."""
    check_estimate(args)
    check_shard(args)
    check_plan(args)
    if args.plan:
        return _plan_alone(args)
    try:
        return _run(args) if args.until is None else _until(args)
    except KeyboardInterrupt:
        print("\nstopped; the partial run is kept, and the same command resumes", file=sys.stderr)
        return 130


def _plan_alone(args: argparse.Namespace) -> int:
    """Show what would be done; no picture is read."""
    places = chosen_places(args.pictures, args.images)
    opened = [_opened(one, args) for one in places]
    _refuse_one_name(places, opened)
    images = [(name, len(contents.pictures)) for name, contents in opened]
    return show_plan(args, images, _options(args), chosen_store(args), own_specs(args))


def _until(args: argparse.Namespace) -> int:
    """Predict samples of growing size, until every interval is small enough."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.inference.plan import check_room
    from benchmarking.inference.rounds import Rounds

    places = chosen_places(args.pictures, args.images)
    if len(places) > 1:
        raise BenchmarkError(
            f"--until finds the number of pictures of one image set, and there are {len(places)}; "
            "run one after the other."
        )
    name, contents = _opened(places[0], args)
    goal = goal_of(args, [picture.key for picture in contents.pictures])
    options, store, own = _options(args), chosen_store(args), own_specs(args)

    def made(images: str, n: int) -> Plan:
        todo = _planned(images, n, args, options, store, own)
        check_room([todo])
        return todo

    status = 0
    with closing(Rounds(contents, name, made).run(goal=goal)) as rounds:
        for todo, images in rounds:
            status = 1 if _swept(todo, images, args) + _obstacles(todo, args, own) else 0
            if status:
                break
    return status


def _run(args: argparse.Namespace) -> int:
    """Predict all places; 1 if something failed."""
    from benchmarking.inference.plan import check_room
    from benchmarking.io.progress import notice

    places = chosen_places(args.pictures, args.images)
    has_several = len(places) > 1
    opened = []
    for one in places:
        if has_several:  # whose notes follow
            notice(f"{one.place}:")
        opened.append(_opened(one, args))
    _refuse_one_name(places, opened)
    options, store, own = _options(args), chosen_store(args), own_specs(args)
    plans = [
        _planned(name, len(contents.pictures), args, options, store, own)
        for name, contents in opened
    ]
    plans = [replace(plan, ahead=plans[0].ahead) for plan in plans]  # one process for all
    check_room(plans)
    failures = 0
    with ExitStack() as stack:
        every = zip(plans, opened, strict=True)
        checked = [_checked(todo, one, args, stack) for todo, one in every]
        for todo, images in checked:
            todo.store.admit(images)
        for number, (todo, images) in enumerate(checked, 1):
            if has_several:
                print(f"image set {number} of {len(checked)}: {images.name}", flush=True)
            failures += _swept(todo, images, args)
    return 1 if failures + _obstacles(plans[0], args, own) else 0


def _swept(todo: Plan, images: ImageSet, args: argparse.Namespace) -> int:
    """Predict the pictures of a plan with bars; the number of models that failed."""
    from benchmarking.cli.progress import show
    from benchmarking.io.progress import notice

    arguments = _recorded(args.arguments)
    with closing(todo.sweep(images, arguments=arguments, tell=notice)) as events:
        return show(events, images.design)


def _obstacles(todo: Plan, args: argparse.Namespace, own: Sequence[ModelSpec]) -> int:
    """Tell why models that the user named cannot run; their number."""
    from benchmarking.models.available import explained

    if not (args.models or own):
        return 0
    for line in explained(todo.obstacles):
        print(f"failed: {line}", file=sys.stderr)
    return len(todo.obstacles)


def _opened(chosen: Chosen, args: argparse.Namespace) -> tuple[str, Contents]:
    """The name of a place's image set, and its pictures; warnings go to standard error."""
    from benchmarking.io.names import check_name
    from benchmarking.io.progress import notice
    from benchmarking.pictures.doctor import quick
    from benchmarking.pictures.sets import limited, name_of, open_pictures, sampled, sharded

    contents = open_pictures(chosen.place, args.class_folders)
    name = check_name(name_of(chosen.place, contents, chosen.name))
    if contents.note:
        notice(f"note: {contents.note}")
    for found in (*contents.findings, *quick(chosen.place, pictures=contents.pictures)):
        print(f"warning: {found}", file=sys.stderr)
    contents, name = limited(contents, name, args.limit)
    contents, name = sharded(contents, name, shard_of(args))
    sample = sample_of(args, [picture.key for picture in contents.pictures])
    contents, name = sampled(contents, name, sample, notice)
    return name, contents


def _refuse_one_name(places: Sequence[Chosen], opened: Sequence[tuple[str, Contents]]) -> None:
    """Refuse two places whose image sets have the same name."""
    from benchmarking.errors import BenchmarkError

    held: dict[str, str] = {}
    for one, (name, _) in zip(places, opened, strict=True):
        if name in held:
            raise BenchmarkError(
                f"{held[name]} and {one.place} would both be the image set {name}; name them: "
                f"--images {name}={held[name]} {name}-2={one.place}."
            )
        held[name] = one.place


def _planned(
    images: str,
    n: int,
    args: argparse.Namespace,
    options: Options,
    store: Store,
    own: Sequence[ModelSpec],
) -> Plan:
    """The plan of one image set, of which a line tells the user."""
    from benchmarking.inference.plan import plan
    from benchmarking.io.progress import notice

    todo = plan(args.models or (), images, n, store, options, notice, own=own)
    print(_summary(todo), flush=True)
    return todo


def _checked(
    todo: Plan, opened: tuple[str, Contents], args: argparse.Namespace, stack: ExitStack
) -> tuple[Plan, ImageSet]:
    """A plan on the pictures that can be used, each of which is read once.

    Their crops are kept for the sweep, as far as there is room, until the stack closes.
    """
    _, contents = opened
    return todo.read(contents, stack, args.on_bad_image)


def _options(args: argparse.Namespace) -> Options:
    from benchmarking.inference.plan import RANDOM_SEED, Options

    return Options(
        recipe=args.recipe,
        batch_size=args.batch_size,
        gpu=args.gpu,
        workers=args.workers,
        weights_folder=args.weights_dir,
        seed=RANDOM_SEED if args.weights == "random" else None,
        keep="all" if args.save_all_probs else "top5",
        precision=args.precision,
        compiler=args.compile,
        backend=args.backend,
        executor=args.executor,
        address=args.address,
        crop_cache=args.crop_cache,
        timeout=args.timeout,
        again=args.again,
    )


def _crop_cache(text: str) -> CropCache:
    if text == "none":
        return "none"
    return expanded(text) if text else None


def _summary(plan: Plan) -> str:
    """One line that describes the plan before anything is computed."""
    from benchmarking.errors import WeightsError
    from benchmarking.inference.devices import in_words
    from benchmarking.io.files import in_bytes
    from benchmarking.models.sources import framework_of

    specs, obstacles = plan.specs, plan.obstacles.values()
    titles = Counter(framework_of(spec).TITLE for spec in specs)
    kinds = [f"{count} {title}" for title, count in titles.items()]
    without = sum(isinstance(obstacle, WeightsError) for obstacle in obstacles)
    left_out = {"weights missing for": without, "cannot run:": len(obstacles) - without}
    kinds += [f"{what} {count}" for what, count in left_out.items() if count]
    shared = in_words(plan.options.gpu)
    among = f", shared among {shared}" if shared else ""
    return (
        f"{len(specs)} model{'s' * (len(specs) != 1)} ({', '.join(kinds)}), recipe "
        f"{plan.options.recipe}, {plan.n} pictures of {plan.images}{among}; up to "
        f"{in_bytes(plan.size(specs))} into {plan.store.place}"
    )


def _recorded(arguments: Sequence[str]) -> tuple[str, ...]:
    """The command's arguments without the user's folders: only the last part of a place."""

    def last_part(text: str) -> str:
        path = Path(text)
        is_path = path.is_absolute() or path.exists() or text.startswith((".", "~"))
        is_path |= is_address(text)
        return path.name or text if is_path else text

    parts = (argument.partition("=") for argument in arguments)
    return tuple(f"{last_part(name)}{sign}{last_part(value)}" for name, sign, value in parts)
