"""Store predictions that other programs made as runs: your own outputs, or arrays of 2019.

With --model and --images, FILE has the logits or probabilities of a model of yours, a row for each
picture and a column for each of the 1,000 classes, or its predicted classes: a .npy, .npz, .pt,
.parquet or .csv file. Rows are assigned to pictures by names, in the file or in --names; without
names, by their order, which is compared with the labels. The run has the source "imported".

Otherwise, DIR contains pairs of files such as vgg16_pytorch_imagenet_top5preds.npy and
vgg16_pytorch_imagenet_top5probs.npy, or folders with such pairs. They become runs of the sources
2019-pytorch and 2019-keras, with the recipe northcutt2019, on the image set imagenet-val-2019.
Values that were not recorded stay unknown. What 'export' wrote becomes the run that it was.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.cli.arguments import place
from benchmarking.cli.options import (
    add_class_folders,
    add_store,
    chosen_store,
    print_notes,
    warn_of_left_out,
)
from benchmarking.io.user_folders import expanded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarking.predictions.arrays_2019 import ArrayFolders
    from benchmarking.predictions.run import Run

NAME = "import"
HELP = "store your own outputs, or the arrays of the 2019 benchmark, as runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add(
        "folders",
        metavar="FILE|DIR",
        type=expanded,
        nargs="*",
        help="with --model, a file of outputs; else a folder with arrays, or with folders of "
        "arrays (default: the files that 'imagenet-benchmark fetch predictions-2019' downloaded)",
    )
    add(
        "-l",
        "--labels",
        type=expanded,
        metavar="FILE",
        help=".npy file with the true class of each row, for a set other than ImageNet's",
    )
    _add_own_outputs(parser.add_argument_group("your own outputs"))
    add_store(parser)


def _add_own_outputs(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--model", metavar="NAME", help="name of the model that the outputs in FILE are of")
    add(
        "--images",
        type=place,
        metavar="SET",
        help="the pictures that they are of: an image set in the store, imagenet-val, or a place "
        "of pictures as for 'predict'",
    )
    add_class_folders(group)
    add(
        "--names",
        type=expanded,
        metavar="FILE",
        help="the name of the picture of each row, in a .txt, .csv, .npy or .json file",
    )
    add(
        "--order",
        choices=("rows", "files"),
        help="the order of rows without names: that of the set's rows, which are sorted by class, "
        "or that of the numbers of validation pictures (default: the one that fits the labels)",
    )
    add(
        "--outputs",
        choices=("logits", "probabilities", "classes"),
        help="what the numbers are (default: found out; of logits a softmax is taken)",
    )
    add("--array", metavar="NAME", help="which array to read, of a file with several")
    add(
        "--recipe",
        metavar="NAME",
        help="name of the recipe that they were made with (default: unknown)",
    )
    add(
        "--save-all-probs",
        action="store_true",
        help="store the probabilities of all classes, not only of the five most probable ones",
    )


def run(args: argparse.Namespace) -> int:
    """Import your own outputs, or every run on every image set; 1 if some cannot be imported."""
    if args.model is not None:
        return _import_outputs(args)
    _refuse_files(args)
    return _import_folders(args)


def _import_outputs(args: argparse.Namespace) -> int:
    from benchmarking.errors import BenchmarkError
    from benchmarking.io.names import UNKNOWN
    from benchmarking.labels.label_set import every_image
    from benchmarking.predictions.own_outputs import import_outputs
    from benchmarking.scoring.estimates import estimated_share
    from benchmarking.scoring.metrics import correct

    if args.labels is not None:
        raise BenchmarkError(
            f"-l {args.labels} is for arrays of 2019; your own outputs have the labels of --images."
        )
    if len(args.folders) != 1 or args.images is None:
        raise BenchmarkError(
            f"--model {args.model} needs one file of outputs and --images SET, the pictures that "
            "they are of."
        )
    store = chosen_store(args)
    store.refresh()
    stored = import_outputs(
        args.folders[0],
        model=args.model,
        images=args.images,
        store=store,
        names=args.names,
        order=args.order,
        outputs=args.outputs,
        array=args.array,
        recipe=args.recipe or UNKNOWN,
        keep="all" if args.save_all_probs else "top5",
        class_folders=args.class_folders,
        tell=lambda note: print_notes([note]),
    )
    few, made = store.restricted_classes(stored), store.provenance(stored)
    guesses = store.classes(stored) if few is None else few
    hits = correct(guesses, every_image(store.right_classes(stored.images)), k=1)
    share, how = float(hits.mean()), ""
    if made.design:
        share, how = estimated_share(hits, made.design).value, f", {made.design.in_words}"
    if few is not None:
        how += f", among the {len(made.classes)} classes of the set"
    print(f"{stored} is in {store.place}: acc@1 {100 * share:.2f} %{how}")
    return 0


def _refuse_files(args: argparse.Namespace) -> None:
    """Refuse a file that 'export' has not written, and its options, if no model is named."""
    from benchmarking.errors import BenchmarkError
    from benchmarking.predictions.import_export import tables_below

    options = ("images", "names", "order", "outputs", "array", "recipe", "save_all_probs")
    given = [f"--{name.replace('_', '-')}" for name in options if getattr(args, name)]
    files = [str(path) for path in args.folders if path.is_file() and not tables_below(path)]
    if files or given:
        raise BenchmarkError(
            f"{', '.join([*files, *given])}: to import your own outputs, add --model NAME and "
            "--images SET; of what 'export' wrote, give the folder."
        )


def _import_folders(args: argparse.Namespace) -> int:
    from benchmarking.errors import BenchmarkError
    from benchmarking.io.downloads import cache_folder
    from benchmarking.io.progress import bar
    from benchmarking.predictions.arrays_2019 import IMAGES, ArrayFolders, folders_below
    from benchmarking.predictions.import_export import (
        import_run,
        import_table,
        rows_of,
        tables_below,
    )

    store = chosen_store(args)
    store.refresh()
    places = args.folders or [cache_folder("predictions-2019")]
    tables: list[Path] = []
    folders: list[Path] = []
    for folder in places:
        found = tables_below(folder)
        tables += found
        with suppress(BenchmarkError) if found else nullcontext():
            folders += folders_below(folder)
    arrays = ArrayFolders(tuple(folders))
    stored, left_out = [], arrays.problems()
    for path in tables:
        try:
            stored.append(import_table(path, store))
        except BenchmarkError as error:
            left_out.append(str(error))
    for images in arrays.image_sets():
        given = args.labels and images != IMAGES
        try:
            labels = _given(args.labels, arrays, images) if given else arrays.labels(images)
            rows = rows_of(images, labels)
        except BenchmarkError as error:
            left_out.append(str(error))
            continue
        known = arrays.runs(images)
        for each in bar(known, title=images, total=len(known)):
            try:
                stored.append(import_run(arrays, each, rows, store))
            except BenchmarkError as error:
                left_out.append(str(error))
    print(f"{sum(stored)} runs stored in {store.place}, {len(stored) - sum(stored)} there before")
    return warn_of_left_out([], left_out)


def _given(path: Path, arrays: ArrayFolders, images: str) -> NDArray[np.int64]:
    """The true class of each row, from a list that is compared with a run on these rows.

    Where both are as long as ImageNet's validation set, the list can be in the order of its rows or
    of its file numbers.
    """
    from benchmarking.errors import BenchmarkError
    from benchmarking.labels.agreement import agreement, chance_warning
    from benchmarking.labels.imagenet import validation_key, validation_labels, validation_rows
    from benchmarking.labels.label_files import list_from, single_classes
    from benchmarking.labels.row_order import UnknownOrder, placed

    labels = single_classes(list_from(path), path)
    run, first = _first_readable(arrays, images)
    if run is None or first is None:
        return labels
    keys = [f"row-{row}" for row in range(len(first))]
    if len(first) == len(validation_labels()):
        keys = [validation_key(row + 1) for row in validation_rows().tolist()]
    guesses = f"the first guesses of {run}"
    try:
        found = placed(labels[:, None], keys, first, str(path), guesses)
    except UnknownOrder:  # nobody says that these are ImageNet's pictures
        print_notes(chance_warning(agreement(labels[:, None], first), str(path), guesses))
        return labels
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}.") from error
    print_notes(found.notes)
    return found.classes[:, 0]


def _first_readable(
    arrays: ArrayFolders, images: str
) -> tuple[Run, NDArray[np.int64]] | tuple[None, None]:
    """A run on these rows and its first guesses; of broken ones others tell."""
    from benchmarking.errors import BenchmarkError

    for run in arrays.runs(images):
        with suppress(BenchmarkError):
            return run, arrays.read(run).classes[:, 0].astype("int64")
    return None, None
