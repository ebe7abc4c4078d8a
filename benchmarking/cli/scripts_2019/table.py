"""`imagenet_benchmarking.py`: the accuracy table of arrays that the scripts of 2019 wrote."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarking.cli import reported
from benchmarking.cli.arguments import place
from benchmarking.cli.options import print_notes, warn_of_left_out
from benchmarking.errors import BenchmarkError, PictureError, StoreError
from benchmarking.io import files
from benchmarking.io.downloads import cache_folder, collections, complete
from benchmarking.io.npy_files import read_integers
from benchmarking.io.user_folders import expanded
from benchmarking.labels.agreement import agreement, chance_warning, doubts
from benchmarking.labels.imagenet import validation_key, validation_labels, validation_rows
from benchmarking.labels.label_files import list_from, single_classes
from benchmarking.labels.label_set import LabelSet, every_image
from benchmarking.labels.row_order import Placed, UnknownOrder, placed
from benchmarking.predictions.arrays_2019 import IMAGES, ArrayFolders, classes_of, names_2019
from benchmarking.reports.formats import format_of, reports
from benchmarking.scoring.aggregate import aggregate
from benchmarking.scoring.table import AccuracyTable, Row, View

PROGRAM = "imagenet_benchmarking.py"
_PLATFORMS = ("keras", "pytorch")
_DESCRIPTION = """\
Print the accuracy table of stored predictions, as in 2019: without pictures, in half a second.

Arrays are read from the folders ./keras_imagenet and ./pytorch_imagenet, or from those that -k and
-p name. If there are no arrays, those of 2019 are read, which 'imagenet-benchmark fetch
predictions-2019' downloads. The labels of ImageNet's validation set come with the package."""
_MASKS = """\
masks and labels:
  Row 0 is the first picture of the first class; class folders are sorted by name. -i leaves rows
  out, and -j keeps only some rows. -l gives other labels, one for each remaining row: in the order
  of -j, or in the order of the rows that -i leaves. cAcc is the accuracy on the remaining rows,
  with the labels of -l if they are given. Acc uses ImageNet's labels: on all rows, or, if -l is
  used with -i or -j, on the remaining rows."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print and write the table; exit status 1 if an array is broken and its model left out."""
    return reported(PROGRAM, lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    arrays = _arrays(args)
    images = _image_set(args, arrays)
    labels, custom = _labels(args, arrays, images)
    if args.val_dir is not None:
        _check_pictures(args.val_dir, images, labels)
    label_sets = _label_sets(args, images, labels, custom)
    by = "cAcc@1" if custom else None
    known = replace(arrays, known_labels={images: labels})
    table = _titled(aggregate(known, images, labels=label_sets, by=by, pictures="any"))
    print_notes(table.notes)
    text = reports()["text"].render([table])
    output = args.output_dir
    chosen = format_of(output) if output.suffix else reports()["csv"]
    files.write_output(output, chosen.render([table]).encode())
    print(text, end="")
    print(f"wrote {output}", file=sys.stderr)
    if images == IMAGES:
        for note in _notes(table.rows):
            print(f"note: {note}", file=sys.stderr)
    return warn_of_left_out([table], arrays.problems())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_MASKS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = "ImageNet's validation pictures, to check that the rows belong to them (not needed)"
    parser.add_argument("val_dir", nargs="?", type=place, help=what)
    for platform in _PLATFORMS:
        what = f"folder of {platform} arrays (default: ./{platform}_imagenet)"
        _add_path(parser, platform[0], f"{platform}-dir", "DIR", what)
    what = "file for the table; .csv, .md, .tex, .json or .txt (default: %(default)s)"
    _add_path(parser, "o", "output-dir", "FILE", what, Path("benchmarking_results.csv"))
    for letter, name, what in (
        ("i", "indices_to_omit", "rows to leave out"),
        ("j", "indices_to_keep", "rows to keep; all others are left out"),
        ("l", "custom_labels", "other labels"),
    ):
        _add_path(parser, letter, name, "FILE", f".npy file of {what}")
    what = "image set, if the arrays are of several sets"
    parser.add_argument("--images", metavar="SET", help=what)
    return parser


def _add_path(
    parser: argparse.ArgumentParser,
    letter: str,
    name: str,
    metavar: str,
    what: str,
    default: Path | None = None,
) -> None:
    parser.add_argument(
        f"-{letter}", f"--{name}", type=expanded, metavar=metavar, help=what, default=default
    )


def _arrays(args: argparse.Namespace) -> ArrayFolders:
    """Arrays in the given folders, else in the default folders, else in the cache of `fetch`."""
    asked = {name: getattr(args, f"{name}_dir") for name in _PLATFORMS}
    here = {name: asked[name] or Path(f"{name}_imagenet") for name in _PLATFORMS}
    found = {name: path for name, path in here.items() if asked[name] or _holds_arrays(path)}
    collection = collections()["predictions-2019"]
    cache = cache_folder(collection.name)
    if not found and complete(collection, cache):
        found = {name: cache / f"{name}_imagenet" for name in _PLATFORMS}
    if not found:
        raise StoreError(
            "there are no arrays in ./keras_imagenet, ./pytorch_imagenet or the cache. Run "
            "'imagenet-benchmark fetch predictions-2019' once, or name folders with -k and -p."
        )
    folders = tuple(dict.fromkeys(found.values()))
    one_each = len(folders) == len(found)
    platforms = {path: name for name, path in found.items()} if one_each else {}
    return ArrayFolders(folders, platforms=platforms)


def _holds_arrays(path: Path) -> bool:
    return path.is_dir() and any(path.glob("*_top5preds.npy"))


def _image_set(args: argparse.Namespace, arrays: ArrayFolders) -> str:
    known = arrays.image_sets()
    wanted = IMAGES if args.images in (None, "imagenet") and IMAGES in known else args.images
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted not in known:
        where = ", ".join(map(str, arrays.folders))
        raise StoreError(
            f"no arrays of {wanted or 'imagenet'} in {where}; "
            f"there are {', '.join(known) or 'none at all'}. Choose with --images."
        )
    return str(wanted)


def _labels(
    args: argparse.Namespace, arrays: ArrayFolders, images: str
) -> tuple[NDArray[np.int64], Path | None]:
    """The true class of every row, and the file with other labels, if any.

    If no labels are stored for the set, those of -l are its own, and there are no others.
    """
    try:
        return arrays.labels(images), args.custom_labels
    except StoreError:
        if not args.custom_labels or args.indices_to_omit or args.indices_to_keep:
            raise
    return single_classes(list_from(args.custom_labels), args.custom_labels), None


def _label_sets(
    args: argparse.Namespace, images: str, labels: NDArray[np.int64], custom: Path | None
) -> Mapping[str, LabelSet]:
    """Label sets by column prefix: "" for the stored labels, "c" for the given mask or labels.

    If both are given, the mask applies to "" as well.
    """
    if args.indices_to_omit and args.indices_to_keep:
        raise BenchmarkError("-i and -j were both given; choose one of them.")
    everything = left = every_image(labels)
    if args.indices_to_omit:
        left = _from_file(args.indices_to_omit, everything.without)
    if args.indices_to_keep:
        left = _from_file(args.indices_to_keep, everything.only)
    if left is not everything:
        print(f"cAcc: {len(left)} of {len(everything)} rows", file=sys.stderr)
    if custom:
        return {"": left, "c": _relabelled(custom, left, images)}
    return {"": everything} if left is everything else {"": everything, "c": left}


def _from_file(path: Path, use: Callable[[NDArray[np.int64]], LabelSet]) -> LabelSet:
    """Make a label set from the numbers in a file; errors name the file."""
    numbers = read_integers(path)
    try:
        return use(numbers)
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}") from error


def _relabelled(path: Path, left: LabelSet, images: str) -> LabelSet:
    """The rows that are left, with the classes of a file; those of all rows in either order.

    Labels for some rows may be just those that were wrong, which agree with no others. They are in
    the order of the rows, and a warning says that this cannot be known.
    """
    classes, limit = list_from(path), classes_of(images)
    if images == IMAGES:
        keys = [validation_key(row + 1) for row in validation_rows()[left.rows].tolist()]
    else:
        keys = [f"row-{row}" for row in left.rows]
    known = left.classes[:, 0]
    if len(classes) != len(left):
        raise BenchmarkError(
            f"{path}: {len(classes)} labels for {len(left)} rows; each row needs one."
        )
    try:
        found = placed(classes, keys, known, str(path))
    except UnknownOrder as error:
        if len(left) == len(validation_labels()):
            raise BenchmarkError(f"{path}: {error}.") from error
        warning = chance_warning(agreement(classes, known), str(path))
        found = Placed(classes, np.arange(len(classes)), warning)
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}.") from error
    if found.classes.max(initial=0) >= limit:
        raise BenchmarkError(
            f"{path}: {found.classes.max()} is not a class; expected 0 to {limit - 1}."
        )
    try:
        notes = (*found.notes, *doubts(found.classes, known, str(path)))
        return replace(left, classes=found.classes, notes=notes)
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}") from error


def _check_pictures(val_dir: str, images: str, labels: NDArray[np.int64]) -> None:
    """Check that a folder has the pictures of the rows, if these are known."""
    from benchmarking.pictures.image_set import difference
    from benchmarking.pictures.sets import open_pictures
    from benchmarking.predictions.import_export import rows_of

    if images != IMAGES:
        if not Path(val_dir).exists():
            raise PictureError(f"{val_dir!r} does not exist; leave it out to score the arrays.")
        print(f"note: {val_dir} was not looked at: {images} has no names", file=sys.stderr)
        return
    found = difference(rows_of(images, labels).pictures, open_pictures(val_dir).pictures)
    if found:
        raise PictureError(
            f"{val_dir} is not what the rows stand for: {found}. Leave it out to score the arrays "
            "with the package's own labels."
        )
    print(f"{val_dir} holds the {len(labels)} pictures that the rows stand for", file=sys.stderr)


def _titled(table: AccuracyTable) -> AccuracyTable:
    """Show all columns, and name the set "imagenet-val" if no run in the table is from 2019."""
    table = replace(table, view=View("2019"))
    if table.images != IMAGES or any(row.run.source.startswith("2019-") for row in table.rows):
        return table
    rows = (replace(row, run=replace(row.run, images="imagenet-val")) for row in table.rows)
    return replace(table, images="imagenet-val", rows=tuple(rows))


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """Missing models of 2019, and models that are not of 2019; case is ignored."""
    found = {
        f"{row.provenance.platform}/{row.run.model}".casefold(): f"{row.platform}/{row.run.model}"
        for row in rows
    }
    old = {
        f"{platform}/{model}".casefold(): f"{platform}/{model}"
        for platform, models in names_2019().items()
        for model in models
    }
    missing = [old[name] for name in old if name not in found]
    others = [found[name] for name in found if name not in old]
    for names, what in ((missing, "of the 34 models of 2019, missing"), (others, "other")):
        if names:
            shown = ", ".join(sorted(names)[:5]) + ", …" * (len(names) > 5)
            yield f"{what}: {len(names)} ({shown})"
